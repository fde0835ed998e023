#include "client/sluice_client.h"

#include <chrono>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"

namespace sluice {
namespace {

// A flag is all that a signal handler may touch, so the call looks at it.
constexpr std::chrono::milliseconds kCancelCheck(20);

// Leaves `text` as it is without a file.
absl::Status ReadInto(const std::string& path, const char* what, std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path);
  std::ostringstream all;
  all << file.rdbuf();
  text = all.str();
  if (!file || text.empty()) return absl::NotFoundError(absl::StrCat("cannot read the ", what, " file ", path));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsFor(const ClientOptions& options) {
  if (options.tls_cert_file.empty() != options.tls_key_file.empty()) {
    return absl::InvalidArgumentError("a certificate and its key belong together: give both or none");
  }
  if (!options.tls && options.tls_ca_file.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  absl::Status status = ReadInto(options.tls_ca_file, "CA", ssl.pem_root_certs);
  if (status.ok()) status = ReadInto(options.tls_cert_file, "certificate", ssl.pem_cert_chain);
  if (status.ok()) status = ReadInto(options.tls_key_file, "key", ssl.pem_private_key);
  if (!status.ok()) return status;
  return grpc::SslCredentials(ssl);
}

// One call with at most one operation outstanding.
class Operation {
 public:
  explicit Operation(const CallOptions& options) : cancel_(options.cancel) {
    if (options.deadline < absl::InfiniteDuration()) {
      context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(options.deadline));
    }
    for (const auto& [key, value] : options.metadata) context_.AddMetadata(key, value);
  }
  ~Operation() {
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  // Until the outstanding operation is over; false: it failed.
  bool Wait() {
    void* tag;
    bool ok = false;
    while (true) {
      if (cancel_ != nullptr && cancel_->is_set()) context_.TryCancel();
      const auto next = queue_.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kCancelCheck);
      if (next != grpc::CompletionQueue::TIMEOUT) return next == grpc::CompletionQueue::GOT_EVENT && ok;
    }
  }

  // After the end. A call that failed before content has it in its trailers.
  std::string CallId() const {
    for (const auto* metadata : {&context_.GetServerInitialMetadata(), &context_.GetServerTrailingMetadata()}) {
      const auto found = metadata->find("sluice-call-id");
      if (found != metadata->end()) return std::string(found->second.data(), found->second.size());
    }
    return "";
  }

  grpc::ClientContext& context() { return context_; }
  grpc::CompletionQueue& queue() { return queue_; }

 private:
  const CancelFlag* cancel_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
};

bool Whole(const v1::End& end) {
  return end.outcome() == v1::OUTCOME_COMPLETE || end.outcome() == v1::OUTCOME_FALLBACK;
}

// OK alone proves nothing: without the end record the answer may be cut.
void Settle(CallResult& result) {
  CallFailure& failure = result.failure;
  if (failure.ok() && !result.end.has_value()) {
    failure.code = grpc::StatusCode::DATA_LOSS;
    failure.reason = "NO_END";
    failure.message = "the stream ended without its end record; the answer is incomplete";
  } else if (failure.ok() && !Whole(*result.end)) {
    failure.code = grpc::StatusCode::ABORTED;
    failure.reason = "STREAM_TRUNCATED";
    failure.message = result.end->error().message();
  }
  if (!failure.ok() && failure.attempts.empty() && result.end.has_value()) {
    failure.attempts.assign(result.end->attempts().begin(), result.end->attempts().end());
  }
}

// Waits for the one answer that was asked for.
template <typename Response>
CallResult FinishUnary(Operation& operation, grpc::ClientAsyncResponseReader<Response>& reader, Response* response) {
  grpc::Status status;
  reader.Finish(response, &status, &operation);
  operation.Wait();
  CallResult result;
  result.failure = DecodeStatus(status);
  result.call_id = operation.CallId();
  if (status.ok() && response->has_end()) result.end = response->end();
  Settle(result);
  return result;
}

}  // namespace

absl::StatusOr<Client> Client::Connect(const ClientOptions& options) {
  const size_t colon = options.address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == options.address.size() ||
      options.address.find("://") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options.address, "\" is no address of a gateway; write host:port, as in 127.0.0.1:8443"));
  }
  auto credentials = CredentialsFor(options);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.max_message_bytes);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return Client(v1::Gateway::NewStub(grpc::CreateCustomChannel(options.address, *credentials, arguments)));
}

CallResult Client::StreamChat(const v1::ChatRequest& request, const CallOptions& options,
                              absl::FunctionRef<void(const v1::ChatEvent&)> on_event) const {
  Operation operation(options);
  CallResult result;
  void* const tag = &operation;
  auto reader = stub_->AsyncStreamChat(&operation.context(), request, &operation.queue(), tag);
  const bool begun = operation.Wait();
  if (begun) {
    v1::StreamChatResponse message;
    while (reader->Read(&message, tag), operation.Wait()) {
      for (const v1::ChatEvent& event : message.events()) {
        if (event.has_end()) result.end = event.end();
        on_event(event);
      }
    }
  }
  grpc::Status status;
  reader->Finish(&status, tag);
  operation.Wait();
  if (begun) result.call_id = operation.CallId();
  result.failure = DecodeStatus(status);
  Settle(result);
  return result;
}

CallResult Client::Chat(const v1::ChatRequest& request, const CallOptions& options,
                        v1::ChatResponse* response) const {
  Operation operation(options);
  return FinishUnary(operation, *stub_->AsyncChat(&operation.context(), request, &operation.queue()), response);
}

CallResult Client::Embed(const v1::EmbedRequest& request, const CallOptions& options,
                         v1::EmbedResponse* response) const {
  Operation operation(options);
  return FinishUnary(operation, *stub_->AsyncEmbed(&operation.context(), request, &operation.queue()), response);
}

CallFailure Client::ListModels(const CallOptions& options, v1::ListModelsResponse* response) const {
  Operation operation(options);
  grpc::Status status;
  auto reader = stub_->AsyncListModels(&operation.context(), {}, &operation.queue());
  reader->Finish(response, &status, &operation);
  operation.Wait();
  return DecodeStatus(status);
}

}  // namespace sluice
