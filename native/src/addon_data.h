// What one Node environment (the main thread, or a worker thread) holds of this addon.
#pragma once
#include <napi.h>

namespace tributary {

struct AddonData {
  Napi::FunctionReference region_constructor;

  static AddonData* Of(Napi::Env env) { return env.GetInstanceData<AddonData>(); }
};

}  // namespace tributary
