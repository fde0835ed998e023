#include "server/engine/learned_forms.h"

namespace sluice {

FormParts LearnedForms::Of(std::string_view model) const {
  if (!any_.load(std::memory_order_acquire)) return {};
  std::lock_guard lock(mutex_);
  const auto known = by_model_.find(std::string(model));
  return known == by_model_.end() ? FormParts() : known->second;
}

bool LearnedForms::Learn(std::string_view model, FormParts refused) {
  std::lock_guard lock(mutex_);
  const std::string name(model);
  if (by_model_.size() >= kMaxModels && !by_model_.contains(name)) return false;
  FormParts& known = by_model_[name];
  if (known.Has(refused)) return false;
  known.Add(refused);
  any_.store(true, std::memory_order_release);
  return true;
}

void LearnedForms::Configure(const Dialect& dialect) {
  std::lock_guard lock(mutex_);
  if (dialect_ == dialect) return;
  dialect_ = dialect;
  by_model_.clear();
  any_.store(false, std::memory_order_release);
}

}  // namespace sluice
