// Whose turn it is where threads outnumber processors. The main thread answers requests, a fraction of a
// millisecond each; what works in the background for longer must not keep it waiting for a time slice of theirs.
//
// Linux gives a thread that asks for short slices its turn soon (EEVDF, Linux 6.12), at the price of short ones. It
// is of one thread, and needs no privilege.
#pragma once
#include <napi.h>

namespace tributary {

// shortenTurns(micros): asks for slices of so long for the calling thread, not for what it starts. Returns whether the
// system knows the request; one that is older than Linux 6.12 takes it and does not heed it.
Napi::Value ShortenTurns(const Napi::CallbackInfo& info);

void InitThreadTurns(Napi::Env env, Napi::Object exports);

}  // namespace tributary
