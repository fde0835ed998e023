// A gRPC status with typed details, as callers of both planes get it: such that
// the standard helper of every language can decode it. Pure.
//
//   RichStatus rich(code, message, kTheCallsTrailers);
//   rich.Add(error_info);
//   rich.Add(Fitting(attempts, rich.Room(list)));
//   return rich.Take();
#ifndef SLUICE_PROTO_STATUS_RICH_STATUS_H_
#define SLUICE_PROTO_STATUS_RICH_STATUS_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/status.h>

#include <cstddef>
#include <string_view>

#include "google/rpc/status.pb.h"

namespace sluice {

// Most clients take 8 KiB of trailers and replace the whole error by one that says
// so where there are more; proxies on the way add some of their own.
inline constexpr size_t kMaxTrailerBytes = 7 << 10;
// Of these, the message as `grpc-message` carries it.
inline constexpr size_t kMaxStatusMessageBytes = 1 << 10;

// A header as HTTP/2 counts it (RFC 9113, 6.5.2).
constexpr size_t HeaderBytes(std::string_view name, size_t value_bytes) { return name.size() + value_bytes + 32; }
// Bytes as a header carries them, padded.
constexpr size_t Base64Bytes(size_t bytes) { return (bytes + 2) / 3 * 4; }

// All trailers of `status`, with those that gRPC adds to one that comes without
// initial metadata; those of the call itself (`others`) too.
size_t TrailerBytes(const grpc::Status& status, size_t others = 0);

class RichStatus {
 public:
  // `message` becomes one line of whole UTF-8 within its bound. It stands in the
  // details too, to the letter: Python's helper raises where the two differ.
  // `others`: what the call's other trailers take.
  RichStatus(int code, std::string_view message, size_t others = 0);

  // The largest that `detail` may be to fit.
  size_t Room(const google::protobuf::Message& detail) const;
  // False: it did not fit and was left out.
  bool Add(const google::protobuf::Message& detail);
  grpc::Status Take() const;

 private:
  // Bytes of all there is, and of what stands around one more.
  size_t TakenBeside(const google::protobuf::Message& detail) const;

  const size_t max_bytes_;
  google::rpc::Status details_;
};

}  // namespace sluice

#endif  // SLUICE_PROTO_STATUS_RICH_STATUS_H_
