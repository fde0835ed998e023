// What the servers of an upstream were seen to refuse of a request's form, by
// model, for some of them serve models that differ. Part of UpstreamState;
// thread-safe.
#ifndef SLUICE_SERVER_ENGINE_LEARNED_FORMS_H_
#define SLUICE_SERVER_ENGINE_LEARNED_FORMS_H_

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/codec/dialect.h"

namespace sluice {

class LearnedForms {
 public:
  // Callers of a "*" route name models as they like: of more than these nothing
  // is learned.
  static constexpr size_t kMaxModels = 256;

  // Of this model at this upstream. Cheap where nothing was learned.
  FormParts Of(std::string_view model) const;

  // Adds to it; a part stays refused, so that no two forms take turns. True: it
  // is news.
  bool Learn(std::string_view model, FormParts refused);

  // Another dialect in the policy makes a new beginning.
  void Configure(const Dialect& dialect);

 private:
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;
  Dialect dialect_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, FormParts> by_model_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_LEARNED_FORMS_H_
