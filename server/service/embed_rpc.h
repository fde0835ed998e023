// Embed. Loop thread only.
#ifndef SLUICE_SERVER_SERVICE_EMBED_RPC_H_
#define SLUICE_SERVER_SERVICE_EMBED_RPC_H_

#include <memory>
#include <optional>
#include <string_view>

#include "server/service/call_rpc.h"
#include "server/service/embed_collector.h"

namespace sluice {

class EmbedRpc final : public UnaryCallRpc {
 public:
  EmbedRpc(FaceLoop& face, FaceServices& services);

  // An answer of vectors has no place for who made it but its end record.
  void Started(std::string_view served_by, std::string_view model) override {}
  void Write(const StreamEvent& event) override;
  void Discard() override;

 private:
  const google::protobuf::Message& message() const override { return request_->message(); }
  std::string_view model() const override { return request_->message().model(); }
  std::optional<CallError> Check() const override;
  std::optional<CallError> CheckFor(const RouteConfig& route) const override;
  void Admitted() override;
  std::shared_ptr<const CallRequest> TakeRequest() override;
  void Request() override;
  std::unique_ptr<Rpc> Next(FaceLoop& face) override;
  bool overflowed() override { return collector_ && collector_->overflowed(); }
  void Ended(const CallRecord& record) override;
  // What the caller is told in place of `record`, where the answer cannot be
  // given.
  std::optional<CallError> Unfit(const CallRecord& record);

  EmbedCollector& collector();

  std::shared_ptr<OwnedRequest<v1::EmbedRequest>> request_;
  size_t inputs_ = 0;  // of the request, once it is admitted
  grpc::ServerAsyncResponseWriter<v1::EmbedResponse> writer_;
  std::optional<EmbedCollector> collector_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_SERVICE_EMBED_RPC_H_
