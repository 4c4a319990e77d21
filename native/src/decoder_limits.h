// The limits of the decoder as JavaScript gives them (DecoderLimits of native/index.ts).
#pragma once
#include <napi.h>

#include "event_decoder.h"

namespace tributary {

inline DecoderLimits DecoderLimitsOf(Napi::Object limits) {
  auto number = [&](const char* name) { return limits.Get(name).As<Napi::Number>().Uint32Value(); };
  EventLimits event{number("eventBytesMax"), number("messageIdBytesMax"),
                    number("identifierBytesMax"), number("eventNameBytesMax")};
  return {event, number("batchEventsMax"), number("jsonDepthMax"),
          number("batchInheritedBytesMax"), number("msgpackTextBytesMax")};
}

}  // namespace tributary
