// A server that refuses a part of the request's form, which is of Sluice's own
// choosing, gets the request in another one, at once and at the same place: it
// is well, and the caller asked for nothing wrong.
#include "server/engine/call_impl.h"

namespace sluice {

// Learned before the other form was tried: the refusal named the part, and
// others that come meanwhile need not meet it.
bool CallImpl::TakesOtherForm(const Plan& plan, FormParts sent, const AttemptFailure& failure) {
  if (failure.kind != FailureKind::kCaller || failure.refused.empty()) return false;
  LearnedForms& forms = plan.upstream().state->forms();
  const std::string model(requests_.ModelAt(*plan.target));
  FormParts other = forms.Of(model);
  other.Add(failure.refused);
  // What the caller wrote itself stays as it is.
  if (!requests_.Differ(*plan.target, sent, other)) return false;
  if (forms.Learn(model, failure.refused)) {
    const std::string& label = plan.target->model.empty() ? params_.info.model_label : plan.target->model;
    context_.observer.FormLearned(plan.upstream().name, label, failure.refused.ToString());
  }
  // Of a model too many nothing is learned.
  return forms.Of(model).Has(other) && AttemptsMade() < route_->retry.max_attempts;
}

// Neither a retry that the budget has to allow nor one that waits: nothing was
// overloaded. But an attempt, as max_attempts counts them.
CallImpl::Step CallImpl::RepeatInOtherForm(const Plan& plan) {
  RetryCharge none;
  return Launch(&plan, absl::ZeroDuration(), none) ? Step::kStay : NowhereNow();
}

}  // namespace sluice
