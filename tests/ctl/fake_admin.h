// A control plane in the test's own process: real gRPC, the real validator and
// differ, policies in a map, data planes as the test says.
#ifndef SLUICE_TESTS_CTL_FAKE_ADMIN_H_
#define SLUICE_TESTS_CTL_FAKE_ADMIN_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice::testing {

class FakeAdmin final : public v1::Admin::Service {
 public:
  FakeAdmin();
  ~FakeAdmin() override;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Answers of AwaitRevision and ListNodes from now on.
  v1::AwaitRevisionResponse await;
  grpc::Status await_status;
  v1::ListNodesResponse nodes;
  // Answers of Command from now on, and what it was last asked.
  v1::CommandResponse command_answer;
  v1::CommandRequest command;
  grpc::Status command_status;
  // Answer of GetInfo; not set: UNIMPLEMENTED, as an older control plane says.
  std::optional<v1::GetInfoResponse> info;
  // Not OK: the next Delete, Set or Rollback answers this.
  grpc::Status refusal;
  // What Apply says of nodes when it is asked to ask them.
  std::vector<v1::NodeFindings> node_findings;
  // Answers of these from now on, and the last requests.
  v1::AdoptResponse adopt_answer;
  v1::AdoptRequest adopt;
  v1::ReplaceEpochsResponse replace_answer;
  std::vector<v1::ReplaceEpochsRequest> replaces;
  // What Backup sends, in this order.
  std::vector<v1::BackupResponse> backup;
  // Nodes that ForgetNode knows; true: connected.
  std::map<std::string, bool> known_nodes;
  // Every Apply, as it came.
  std::vector<v1::ApplyRequest> applied;
  // The authorization of the last call; "": none.
  std::string authorization;
  // UNAVAILABLE this many times before anything else.
  int broken_calls = 0;
  // What the last change said of itself.
  std::string author;
  std::string reason;
  std::vector<std::string> request_ids;
  // How long the last AwaitRevision was asked to wait, in milliseconds.
  int64_t awaited_ms = 0;

 private:
  using Set_ = std::map<std::string, v1::Resource>;

  grpc::Status Apply(grpc::ServerContext*, const v1::ApplyRequest*, v1::ApplyResponse*) override;
  grpc::Status Validate(grpc::ServerContext*, const v1::ValidateRequest*, v1::ValidateResponse*) override;
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest*, v1::GetResponse*) override;
  grpc::Status List(grpc::ServerContext*, const v1::ListRequest*, v1::ListResponse*) override;
  grpc::Status Delete(grpc::ServerContext*, const v1::DeleteRequest*, v1::DeleteResponse*) override;
  grpc::Status Set(grpc::ServerContext*, const v1::SetRequest*, v1::SetResponse*) override;
  grpc::Status Diff(grpc::ServerContext*, const v1::DiffRequest*, v1::DiffResponse*) override;
  grpc::Status History(grpc::ServerContext*, const v1::HistoryRequest*, v1::HistoryResponse*) override;
  grpc::Status Rollback(grpc::ServerContext*, const v1::RollbackRequest*, v1::RollbackResponse*) override;
  grpc::Status ListNodes(grpc::ServerContext*, const v1::ListNodesRequest*, v1::ListNodesResponse*) override;
  grpc::Status AwaitRevision(grpc::ServerContext*, const v1::AwaitRevisionRequest*,
                             v1::AwaitRevisionResponse*) override;

  grpc::Status GetInfo(grpc::ServerContext*, const v1::GetInfoRequest*, v1::GetInfoResponse*) override;
  grpc::Status Adopt(grpc::ServerContext*, const v1::AdoptRequest*, v1::AdoptResponse*) override;
  grpc::Status ReplaceEpochs(grpc::ServerContext*, const v1::ReplaceEpochsRequest*,
                             v1::ReplaceEpochsResponse*) override;
  grpc::Status ForgetNode(grpc::ServerContext*, const v1::ForgetNodeRequest*, v1::ForgetNodeResponse*) override;
  grpc::Status Backup(grpc::ServerContext*, const v1::BackupRequest*,
                      grpc::ServerWriter<v1::BackupResponse>*) override;
  grpc::Status Command(grpc::ServerContext*, const v1::CommandRequest*, v1::CommandResponse*) override;

  template <class Request>
  grpc::Status Enter(const Request& request);
  template <class Request>
  static void Prune(const Request& request, Set_& next, std::vector<v1::Change>& changes);
  grpc::Status NoRevision(uint64_t revision) const;
  std::vector<v1::Violation> Check(const Set_& set) const;
  void Commit(Set_ next, const std::vector<v1::Change>& changes, const std::string& author);

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  // One whole set per revision; the last one is in force.
  std::vector<Set_> revisions_{Set_()};
  std::vector<v1::Revision> history_;
};

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_CTL_FAKE_ADMIN_H_
