#include "server/service/list_models_rpc.h"

#include "server/service/call_admission.h"
#include "server/service/caller_bounds.h"
#include "server/service/status_mapping.h"

namespace sluice {

void ListModelsRpc::Request() {
  services_.gateway.RequestListModels(&context(), &request_, &writer_, face().call_queue(),
                                      face().notification_queue(), request_tag());
}

std::unique_ptr<Rpc> ListModelsRpc::Next(FaceLoop&) { return std::make_unique<ListModelsRpc>(face(), services_); }

void ListModelsRpc::Begin() {
  if (auto fault = CheckMetadata(context(), services_.options.max_metadata_bytes)) {
    return writer_.FinishWithError(StatusOf(*fault), StartFinish());
  }
  // Before the first configuration nothing is on offer, which is no error.
  v1::ListModelsResponse response;
  if (auto table = services_.tables->Current()) response = ModelsFor(CallerMetadata(context()), *table);
  for (v1::Model& model : *response.mutable_models()) {
    model.mutable_limits()->set_max_request_bytes(static_cast<int64_t>(services_.options.max_request_bytes));
  }
  writer_.Finish(response, grpc::Status::OK, StartFinish());
}

}  // namespace sluice
