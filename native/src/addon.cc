// The Node side of the addon: each part registers what native/index.ts declares.
// The DuckDB side of the same shared object starts in duckdb_api.cc.
#include <napi.h>

#include "addon_data.h"
#include "region.h"

namespace tributary {
void InitCrc32c(Napi::Env env, Napi::Object exports);
void InitProcess(Napi::Env env, Napi::Object exports);
void InitDurableWrite(Napi::Env env, Napi::Object exports);
void InitThreadTurns(Napi::Env env, Napi::Object exports);
void InitDecoder(Napi::Env env, Napi::Object exports);
void InitColumnRows(Napi::Env env, Napi::Object exports);
void InitMsgpack(Napi::Env env, Napi::Object exports);
void InitImportJson(Napi::Env env, Napi::Object exports);
void InitImportMsgpack(Napi::Env env, Napi::Object exports);
void InitImportRows(Napi::Env env, Napi::Object exports);
void InitIdentifierIndex(Napi::Env env, Napi::Object exports);
void InitProfileAnswer(Napi::Env env, Napi::Object exports);
void InitStager(Napi::Env env, Napi::Object exports);
void InitTraitStore(Napi::Env env, Napi::Object exports);
void InitTextSearch(Napi::Env env, Napi::Object exports);
void InitHotDirectory(Napi::Env env, Napi::Object exports);
void InitFoldAhead(Napi::Env env, Napi::Object exports);
}  // namespace tributary

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new tributary::AddonData());
  tributary::InitRegion(env, exports);
  tributary::InitCrc32c(env, exports);
  tributary::InitProcess(env, exports);
  tributary::InitDurableWrite(env, exports);
  tributary::InitThreadTurns(env, exports);
  tributary::InitDecoder(env, exports);
  tributary::InitColumnRows(env, exports);
  tributary::InitMsgpack(env, exports);
  tributary::InitImportJson(env, exports);
  tributary::InitImportMsgpack(env, exports);
  tributary::InitImportRows(env, exports);
  tributary::InitIdentifierIndex(env, exports);
  tributary::InitProfileAnswer(env, exports);
  tributary::InitStager(env, exports);
  tributary::InitTraitStore(env, exports);
  tributary::InitTextSearch(env, exports);
  tributary::InitHotDirectory(env, exports);
  tributary::InitFoldAhead(env, exports);
  return exports;
}

NODE_API_MODULE(tributary, Init)
