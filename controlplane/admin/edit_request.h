// The parts that changing requests have in common, taken from each. Used by
// AdminService.
#ifndef SLUICE_CONTROLPLANE_ADMIN_EDIT_REQUEST_H_
#define SLUICE_CONTROLPLANE_ADMIN_EDIT_REQUEST_H_

#include <string>

#include "controlplane/admin/policy_editor.h"
#include "google/protobuf/message.h"

namespace sluice {

// SHA-256 over method and content; maps in one order, so that the same request
// gives the same bytes.
std::string FingerprintOf(const google::protobuf::Message& request);

template <typename Request>
EditRequest EditRequestOf(const Request& request) {
  EditRequest edit;
  edit.request_id = request.request_id();
  edit.reason = request.reason();
  edit.author = request.author();
  edit.validate_only = request.validate_only();
  if (!edit.request_id.empty()) edit.fingerprint = FingerprintOf(request);
  return edit;
}

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_ADMIN_EDIT_REQUEST_H_
