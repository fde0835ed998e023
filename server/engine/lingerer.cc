#include "server/engine/lingerer.h"

#include <utility>

#include "server/engine/attempt.h"
#include "server/engine/call.h"

namespace sluice {

Lingerer::Lingerer() = default;
Lingerer::~Lingerer() = default;

void Lingerer::Adopt(std::unique_ptr<Attempt> attempt) {
  if (attempts_.size() >= kMax) return;
  Attempt& adopted = *attempt;
  attempts_.emplace(&adopted, std::move(attempt));
  adopted.Linger(*this, kGrace);
}

void Lingerer::Release(Attempt* attempt) {
  const auto found = attempts_.find(attempt);
  // Out of the map first: an exchange's end may be seen while it is destroyed.
  const std::unique_ptr<Attempt> released = std::move(found->second);
  attempts_.erase(found);
}

std::shared_ptr<Lingerer> NewLingerer() { return std::make_shared<Lingerer>(); }

}  // namespace sluice
