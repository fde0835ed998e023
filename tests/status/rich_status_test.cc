// A status with details: message and details say the same, and all fits.
#include "proto/status/rich_status.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "proto/status/bounded_text.h"

namespace sluice {
namespace {

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

struct MessageRow {
  const char* name;
  std::string character;
  size_t count;
  bool whole;
};

void PrintTo(const MessageRow& row, std::ostream* out) { *out << row.name; }

class MessageOfLength : public testing::TestWithParam<MessageRow> {};

TEST_P(MessageOfLength, IsTheSameInDetailsAndWithinItsBound) {
  std::string message;
  for (size_t i = 0; i < GetParam().count; ++i) message += GetParam().character;
  const grpc::Status status = RichStatus(14, message).Take();
  EXPECT_EQ(Details(status).message(), status.error_message());
  EXPECT_EQ(Details(status).code(), 14);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_LE(PercentEncodedBytes(status.error_message()), kMaxStatusMessageBytes);
  EXPECT_EQ(status.error_message() == message, GetParam().whole);
}

INSTANTIATE_TEST_SUITE_P(Lengths, MessageOfLength,
                         testing::Values(MessageRow{"None", "a", 0, true}, MessageRow{"OneByte", "a", 1, true},
                                         MessageRow{"AFormerBound", "a", 512, true},
                                         MessageRow{"OneOverAFormerBound", "a", 513, true},
                                         MessageRow{"OneBelow", "a", 1023, true}, MessageRow{"TheBound", "a", 1024, true},
                                         MessageRow{"OneOver", "a", 1025, false}, MessageRow{"FarOver", "a", 100000, false},
                                         MessageRow{"TwoBytesBelow", "é", 170, true},
                                         MessageRow{"TwoBytesOver", "é", 171, false},
                                         MessageRow{"ThreeBytesBelow", "語", 113, true},
                                         MessageRow{"ThreeBytesOver", "語", 114, false},
                                         MessageRow{"FourBytesBelow", "😀", 85, true},
                                         MessageRow{"FourBytesOver", "😀", 86, false}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(RichStatusTest, ADetailAsLargeAsTheRoomFillsTheTrailers) {
  for (size_t message : {0, 1, 500, 1024}) {
    for (size_t others : {0, 100, 300}) {
      RichStatus rich(8, std::string(message, 'm'), others);
      google::rpc::ErrorInfo info;
      info.set_reason(std::string(rich.Room(info) - 3, 'd'));
      ASSERT_LE(info.ByteSizeLong(), rich.Room(info));
      EXPECT_TRUE(rich.Add(info));
      const size_t bytes = TrailerBytes(rich.Take(), others);
      EXPECT_LE(bytes, kMaxTrailerBytes);
      // No more is left unused than framing and base64 round off.
      EXPECT_GT(bytes, kMaxTrailerBytes - 48) << message << "+" << others;
    }
  }
}

TEST(RichStatusTest, WhatDoesNotFitIsLeftOutAndTheRestStays) {
  RichStatus rich(8, "full");
  google::rpc::ErrorInfo small;
  small.set_reason("SMALL");
  google::rpc::ErrorInfo large;
  large.set_reason(std::string(kMaxTrailerBytes, 'x'));
  EXPECT_TRUE(rich.Add(small));
  EXPECT_FALSE(rich.Add(large));
  EXPECT_TRUE(rich.Add(small));
  ASSERT_EQ(Details(rich.Take()).details_size(), 2);
  EXPECT_EQ(Details(rich.Take()).details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
}

TEST(RichStatusTest, TrailersOfOthersThatTakeAllLeaveNoRoom) {
  RichStatus rich(8, "full", kMaxTrailerBytes);
  EXPECT_FALSE(rich.Add(google::rpc::ErrorInfo()));
  EXPECT_EQ(rich.Take().error_message(), "full");
}

}  // namespace
}  // namespace sluice
