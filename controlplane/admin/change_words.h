// Changes of the policies in words, a line each: for the log, and for whoever
// finds that something changed meanwhile. Pure but for reading the history.
#ifndef SLUICE_CONTROLPLANE_ADMIN_CHANGE_WORDS_H_
#define SLUICE_CONTROLPLANE_ADMIN_CHANGE_WORDS_H_

#include <string>

#include "absl/time/time.h"
#include "controlplane/store/store.h"
#include "grpcpp/support/status.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// "retrypolicy/default max_attempts: 3 -> 2, backoff.max: 2s -> 5s and 3 more",
// "route/chat created".
std::string ChangeWords(const v1::Change& change);

// "revision 8 by anna (provider incident): …", with the first few changes.
std::string RevisionWords(const v1::Revision& revision);

// "Apply by anna refused: INVALID_ARGUMENT: …".
std::string RefusalWords(const std::string& method, const std::string& author, const grpc::Status& status);

// ABORTED: what changed the resource since it had this etag, who did, and when.
grpc::Status EtagConflict(Store& store, const ResourceKey& key, const std::string& etag, absl::Time now);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_CHANGE_WORDS_H_
