// Backups over the Admin service, as a tool reads them.
#include <openssl/sha.h>

#include <fstream>

#include "controlplane/admin/backup_stream.h"
#include "controlplane/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/controlplane/in_process_server.h"
#include "tests/controlplane/log_lines.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

class BackupTest : public testing::Test {
 protected:
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::BackupResponse>> reader;
  };

  std::unique_ptr<Call> Begin() {
    auto call = std::make_unique<Call>();
    call->reader = server_.admin().Backup(&call->context, {});
    return call;
  }

  // More than what a stream takes without a reader.
  void FillStore() {
    for (int i = 0; i < 20; ++i) {
      StoreWrite write;
      write.expected_revision = static_cast<uint64_t>(i);
      write.puts = {MakeRetryPolicy("p", 1)};
      (*write.puts[0].mutable_meta()->mutable_annotations())["note"] = std::string(500000, static_cast<char>('a' + i));
      ASSERT_TRUE(server_.store().Commit(std::move(write)).ok());
    }
  }

  LogLines log_;
  InProcessServer server_;
};

TEST_F(BackupTest, IsAHeaderDataAndATrailerThatFitsAndOpensAsAStore) {
  FillStore();
  log_.Take();
  const std::unique_ptr<Call> call = Begin();
  v1::BackupResponse response;
  ASSERT_TRUE(call->reader->Read(&response));
  ASSERT_TRUE(response.has_header());
  const v1::BackupHeader header = response.header();
  EXPECT_EQ(header.epoch(), server_.store().epoch());
  EXPECT_EQ(header.revision(), 20);
  std::string data;
  while (call->reader->Read(&response) && !response.has_trailer()) {
    EXPECT_GT(response.data().size(), 0u);
    EXPECT_LE(response.data().size(), kBackupPartBytes);
    data += response.data();
  }
  ASSERT_TRUE(response.has_trailer());
  EXPECT_EQ(data.size(), header.size_bytes());
  EXPECT_EQ(data.size(), response.trailer().size_bytes());
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  EXPECT_EQ(digest, response.trailer().sha256());
  EXPECT_FALSE(call->reader->Read(&response));
  EXPECT_TRUE(call->reader->Finish().ok());
  TempFolder folder;
  std::ofstream(folder.File("copy.db"), std::ios::binary) << data;
  auto copy = OpenStore(folder.File("copy.db"), {}, StoreCreation::kNever);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_EQ((*(*copy)->Current())->revision, 20);
  EXPECT_EQ((*(*copy)->At(15))->resources.size(), 1);
  EXPECT_THAT(log_.Take(), ElementsAre("info backup begun",
                                       MatchesRegex("info backup of revision 20 done: [0-9]+ bytes in .*")));
}

TEST_F(BackupTest, OneAtATimeAndAReaderThatGoesMakesRoom) {
  FillStore();
  std::unique_ptr<Call> first = Begin();
  v1::BackupResponse response;
  ASSERT_TRUE(first->reader->Read(&response));
  const std::unique_ptr<Call> second = Begin();
  EXPECT_FALSE(second->reader->Read(&response));
  const grpc::Status refused = second->reader->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(), "a backup is under way, one at a time; try again");
  // Changes go on beside it.
  EXPECT_EQ(server_.Apply({MakeUpstream("meanwhile")}), 21u);
  first->context.TryCancel();
  EXPECT_EQ(first->reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  for (bool done = false; !done;) {
    const std::unique_ptr<Call> next = Begin();
    while (next->reader->Read(&response)) {
    }
    const grpc::Status status = next->reader->Finish();
    done = status.ok();
    EXPECT_TRUE(done || status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  }
}

TEST_F(BackupTest, AServerThatStopsEndsIt) {
  FillStore();
  const std::unique_ptr<Call> call = Begin();
  v1::BackupResponse response;
  ASSERT_TRUE(call->reader->Read(&response));
  // The destructor of the fixture's server waits for it.
}

// A service of its own, with less patience.
class ImpatientService : public v1::Admin::CallbackService {
 public:
  explicit ImpatientService(Store& store) : backups_(store, nullptr, absl::Milliseconds(50)) {}
  Backups::Reactor* Backup(grpc::CallbackServerContext* context, const v1::BackupRequest*) override {
    return backups_.Begin(context);
  }

 private:
  Backups backups_;
};

TEST_F(BackupTest, AReaderThatTakesNothingIsGivenUp) {
  FillStore();
  ImpatientService service(server_.store());
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::Admin::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  const auto reader = stub->Backup(&context, {});
  v1::BackupResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // Its room is free before it reads on.
  while (!server_.store().Copy([] { return false; }).ok()) {
  }
  while (reader->Read(&response)) EXPECT_FALSE(response.has_trailer());
  EXPECT_NE(reader->Finish().error_code(), grpc::StatusCode::OK);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
}

TEST_F(BackupTest, InfoTellsWhatTheStoreIs) {
  server_.Apply({MakeUpstream("a")});
  StoreWrite write;
  write.expected_revision = 1;
  write.replaces_epochs = {"before"};
  ASSERT_TRUE(server_.store().Commit(std::move(write)).ok());
  v1::GetInfoResponse info;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().GetInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.epoch(), server_.store().epoch());
  EXPECT_EQ(info.revision(), 1);
  EXPECT_THAT(info.store(), MatchesRegex("sqlite:/.*/store.db"));
  EXPECT_THAT(info.replaces_epochs(), ElementsAre("before"));
  EXPECT_EQ(info.parent_epoch(), "");
  EXPECT_GT(info.started().seconds(), 0);
}

}  // namespace
}  // namespace sluice
