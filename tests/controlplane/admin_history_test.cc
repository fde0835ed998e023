// The Admin service over real gRPC: lists, differences, history, rollback, and
// waiting for the fleet.
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

class AdminHistoryTest : public testing::Test {
 protected:
  v1::ListResponse List(const v1::ListRequest& request) {
    v1::ListResponse response;
    grpc::ClientContext context;
    grpc::Status status = server_.admin().List(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  grpc::Status Rollback(uint64_t revision) {
    v1::RollbackRequest request;
    request.set_to_revision(revision);
    request.set_reason("incident");
    grpc::ClientContext context;
    return server_.admin().Rollback(&context, request, &rolled_);
  }

  v1::HistoryResponse History(const v1::HistoryRequest& request) {
    v1::HistoryResponse response;
    grpc::ClientContext context;
    grpc::Status status = server_.admin().History(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  static std::vector<std::string> Names(const v1::ListResponse& response) {
    std::vector<std::string> names;
    for (const v1::Resource& resource : response.resources()) names.push_back(resource.meta().name());
    return names;
  }

  InProcessServer server_;
  v1::RollbackResponse rolled_;
};

TEST_F(AdminHistoryTest, ListsByKindAndLabel) {
  v1::Resource a = MakeUpstream("a");
  (*a.mutable_meta()->mutable_labels())["team"] = "search";
  server_.Apply({a, MakeUpstream("b"), MakeRoute("r", "a")});
  v1::ListRequest request;
  EXPECT_EQ(List(request).resources_size(), 3);
  request.set_kind("upstreams");
  EXPECT_THAT(Names(List(request)), ElementsAre("a", "b"));
  (*request.mutable_labels())["team"] = "search";
  EXPECT_THAT(Names(List(request)), ElementsAre("a"));
}

TEST_F(AdminHistoryTest, PagesOfOneListAreOfOneRevision) {
  std::vector<v1::Resource> resources;
  for (char c = 'a'; c <= 'g'; ++c) resources.push_back(MakeUpstream(std::string(1, c)));
  server_.Apply(resources);
  v1::ListRequest request;
  request.set_page_size(3);
  v1::ListResponse page = List(request);
  EXPECT_THAT(Names(page), ElementsAre("a", "b", "c"));
  server_.Apply({MakeUpstream("dd")});
  request.set_page_token(page.next_page_token());
  page = List(request);
  EXPECT_THAT(Names(page), ElementsAre("d", "e", "f"));
  request.set_page_token(page.next_page_token());
  page = List(request);
  EXPECT_THAT(Names(page), ElementsAre("g"));
  EXPECT_EQ(page.next_page_token(), "");
  EXPECT_EQ(page.revision(), 1);
}

TEST_F(AdminHistoryTest, ABadPageTokenIsNamed) {
  v1::ListRequest request;
  request.set_page_token("nonsense");
  v1::ListResponse response;
  grpc::ClientContext context;
  grpc::Status status = server_.admin().List(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("page_token: \"nonsense\""));
}

TEST_F(AdminHistoryTest, DiffShowsWhatApplyWouldDoAndRefuse) {
  server_.Apply({MakeRetryPolicy("p", 3)});
  v1::DiffRequest request;
  *request.add_resources() = MakeRetryPolicy("p", 4);
  *request.add_resources() = MakeRoute("r", "missing");
  v1::DiffResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().Diff(&context, request, &response).ok());
  ASSERT_EQ(response.changes_size(), 2);
  EXPECT_EQ(response.changes(0).action(), v1::CHANGE_ACTION_UPDATED);
  EXPECT_EQ(response.changes(0).fields(0).path(), "max_attempts");
  EXPECT_EQ(response.changes(0).fields(0).before(), "3");
  EXPECT_EQ(response.changes(0).fields(0).after(), "4");
  EXPECT_EQ(response.violations_size(), 1);
  EXPECT_EQ((*server_.store().Current())->revision, 1);
}

TEST_F(AdminHistoryTest, DiffComparesTwoRevisions) {
  server_.Apply({MakeRetryPolicy("p", 3), MakeRetryPolicy("same", 2)});
  server_.Apply({MakeRetryPolicy("p", 4), MakeRetryPolicy("q", 2)});
  v1::DiffRequest request;
  request.set_from_revision(1);
  v1::DiffResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().Diff(&context, request, &response).ok());
  ASSERT_EQ(response.changes_size(), 2);
  EXPECT_EQ(response.changes(0).resource().name(), "p");
  EXPECT_EQ(response.changes(1).action(), v1::CHANGE_ACTION_CREATED);
  EXPECT_EQ(response.revision(), 2);
}

TEST_F(AdminHistoryTest, HistoryTellsWhoWhyAndWhat) {
  v1::ApplyRequest request;
  *request.add_resources() = MakeRetryPolicy("p", 3);
  request.set_author("ada");
  request.set_reason("first");
  v1::ApplyResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().Apply(&context, request, &response).ok());
  server_.Apply({MakeRetryPolicy("other", 3)});
  v1::HistoryResponse history = History({});
  ASSERT_EQ(history.revisions_size(), 2);
  EXPECT_EQ(history.revisions(0).revision(), 2);
  EXPECT_EQ(history.revisions(1).author(), "ada");
  EXPECT_EQ(history.revisions(1).reason(), "first");
  EXPECT_EQ(history.revisions(1).changes(0).action(), v1::CHANGE_ACTION_CREATED);
  EXPECT_GT(history.revisions(1).created().seconds(), 1600000000);
  v1::HistoryRequest one;
  one.mutable_resource()->set_kind("retrypolicy");
  one.mutable_resource()->set_name("p");
  EXPECT_EQ(History(one).revisions_size(), 1);
}

TEST_F(AdminHistoryTest, RollbackIsANewRevisionWithTheOldContent) {
  server_.Apply({MakeRetryPolicy("p", 3), MakeRetryPolicy("gone", 2)});
  server_.Apply({MakeRetryPolicy("p", 4), MakeRetryPolicy("later", 2)});
  ASSERT_TRUE(Rollback(1).ok());
  EXPECT_EQ(rolled_.revision(), 3);
  EXPECT_EQ(rolled_.changes_size(), 2);
  PolicyStatePtr state = *server_.store().Current();
  EXPECT_EQ(state->resources.at({"RetryPolicy", "p"})->retry_policy().max_attempts(), 3);
  EXPECT_EQ(state->resources.count({"RetryPolicy", "later"}), 0);
  EXPECT_EQ(state->resources.at({"RetryPolicy", "p"})->meta().revision(), 3);
  EXPECT_EQ(state->resources.at({"RetryPolicy", "gone"})->meta().revision(), 1);
  EXPECT_EQ(History({}).revisions(0).rollback_of(), 1);
  ASSERT_TRUE(Rollback(1).ok());
  EXPECT_EQ(rolled_.revision(), 3);
}

TEST_F(AdminHistoryTest, RollbackToWhatIsNotThereIsRefused) {
  server_.Apply({MakeRetryPolicy("p", 3)});
  EXPECT_EQ(Rollback(0).error_code(), StatusCode::INVALID_ARGUMENT);
  grpc::Status status = Rollback(9);
  EXPECT_EQ(status.error_code(), StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "revision 9 does not exist; the newest is 1");
}

TEST_F(AdminHistoryTest, RollbackIsValidatedLikeAnyChange) {
  StoreWrite bad;
  bad.puts.push_back(MakeRetryPolicy("p", 99));
  ASSERT_TRUE(server_.store().Commit(std::move(bad)).ok());
  server_.Apply({MakeRetryPolicy("p", 3)});
  EXPECT_EQ(Rollback(1).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ((*server_.store().Current())->revision, 2);
}

TEST_F(AdminHistoryTest, AwaitHoldsNoThreadWhileManyWait) {
  server_.Apply({MakeRetryPolicy("p", 3)});
  // A node that never answers keeps all of them waiting.
  grpc::ClientContext subscription;
  auto stream = server_.push().Subscribe(&subscription);
  v1::SubscribeRequest hello;
  hello.mutable_hello()->set_node_id("silent");
  hello.mutable_hello()->set_schema_version(1);
  ASSERT_TRUE(stream->Write(hello));
  v1::SubscribeResponse update;
  ASSERT_TRUE(stream->Read(&update));

  constexpr int kWaiters = 200;
  grpc::CompletionQueue queue;
  std::vector<grpc::ClientContext> contexts(kWaiters);
  std::vector<v1::AwaitRevisionResponse> responses(kWaiters);
  std::vector<grpc::Status> statuses(kWaiters);
  std::vector<std::unique_ptr<grpc::ClientAsyncResponseReader<v1::AwaitRevisionResponse>>> calls;
  v1::AwaitRevisionRequest request;
  request.set_revision(1);
  request.mutable_timeout()->set_seconds(1);
  for (int i = 0; i < kWaiters; ++i) {
    calls.push_back(server_.admin().AsyncAwaitRevision(&contexts[i], request, &queue));
    calls.back()->Finish(&responses[i], &statuses[i], &statuses[i]);
  }
  // Others are served meanwhile.
  EXPECT_EQ(List({}).resources_size(), 1);
  for (int i = 0; i < kWaiters; ++i) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
  for (int i = 0; i < kWaiters; ++i) {
    EXPECT_TRUE(statuses[i].ok()) << statuses[i].error_message();
    EXPECT_EQ(responses[i].pending(), 1);
  }
  subscription.TryCancel();
  stream->Finish();
  queue.Shutdown();
}

}  // namespace
}  // namespace sluice
