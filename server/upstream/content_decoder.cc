#include "server/upstream/content_decoder.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace sluice {
namespace {

// An operator reads it.
constexpr size_t kMaxShownCoding = 32;
constexpr size_t kPieceBytes = 16 << 10;
// What tells a coding from plain text.
constexpr size_t kSignBytes = 2;
constexpr std::string_view kGzipSign = "\x1F\x8B";

// What is no coding of the content: how it is said that there is none, charsets
// and framing in the wrong header.
constexpr absl::string_view kNoCodings[] = {"", "identity", "none", "utf-8", "utf8", "us-ascii", "binary", "chunked"};

bool IsNoCoding(absl::string_view token) {
  return std::any_of(std::begin(kNoCodings), std::end(kNoCodings),
                     [&](absl::string_view each) { return absl::EqualsIgnoreCase(token, each); });
}

// The one coding of the list, "" if it is identity.
std::string CodingOf(std::string_view content_encoding) {
  std::string coding;
  for (const absl::string_view piece : absl::StrSplit(absl::string_view(content_encoding.data(), content_encoding.size()), ',')) {
    const absl::string_view token = absl::StripAsciiWhitespace(piece);
    if (IsNoCoding(token)) continue;
    coding += (coding.empty() ? "" : ", ") + std::string(token);
  }
  return coding.substr(0, kMaxShownCoding);
}

class UnknownCoding final : public ContentDecoder {
 public:
  explicit UnknownCoding(std::string coding) : ContentDecoder(std::move(coding)) {}
  bool knows() const override { return false; }
  void Feed(std::string_view) override {}
  Result Next() override { return Result::kMore; }
  std::string_view piece() const override { return {}; }
};

// gzip and deflate, the latter with zlib's frame as RFC 9110 has it or without,
// as many send it. Text that was never compressed is passed on.
class Inflater final : public ContentDecoder {
 public:
  Inflater(std::string coding, bool gzip) : ContentDecoder(std::move(coding)), gzip_(gzip) {}
  ~Inflater() override {
    if (open_) inflateEnd(&stream_);
  }

  bool knows() const override { return true; }
  void Feed(std::string_view bytes) override {
    rest_.erase(0, std::exchange(used_, 0)).append(bytes);
  }
  Result Next() override;
  std::string_view piece() const override { return piece_; }

 private:
  std::string_view rest() const { return std::string_view(rest_).substr(used_); }
  bool IsZlib() const;
  bool LooksPlain() const;
  bool Begin();
  Result Pass();
  Result Inflate();
  bool BeginMember();

  const bool gzip_;
  bool begun_ = false;
  bool plain_ = false;
  bool open_ = false;
  bool between_ = false;  // a member is over
  bool ended_ = false;    // and no other follows
  bool full_ = false;     // the last piece was: more may be inside
  z_stream stream_ = {};
  // What was fed last; its first `used_` bytes are decoded.
  std::string rest_;
  size_t used_ = 0;
  std::string_view piece_;
  std::array<char, kPieceBytes> out_;
};

bool Inflater::IsZlib() const {
  const unsigned char first = rest()[0];
  const unsigned char second = rest()[1];
  return (first & 0x0F) == Z_DEFLATED && (first * 256 + second) % 31 == 0;
}

bool Inflater::LooksPlain() const {
  if (gzip_) return !rest().starts_with(kGzipSign);
  return !IsZlib() && absl::StrContains("{[d:e \r\n", absl::string_view(rest().data(), 1));
}

bool Inflater::Begin() {
  begun_ = true;
  plain_ = LooksPlain();
  if (plain_) return true;
  constexpr int kWindow = 15;
  constexpr int kGzip = 16;
  open_ = inflateInit2(&stream_, gzip_ ? kWindow + kGzip : (IsZlib() ? kWindow : -kWindow)) == Z_OK;
  return open_;
}

ContentDecoder::Result Inflater::Next() {
  piece_ = {};
  if (!begun_) {
    if (rest().size() < kSignBytes) return Result::kMore;
    if (!Begin()) return Result::kBroken;
  }
  if (plain_) return Pass();
  if (between_ && !BeginMember()) return Result::kMore;
  if (rest().empty() && !full_) return Result::kMore;
  return Inflate();
}

ContentDecoder::Result Inflater::Pass() {
  piece_ = rest();
  used_ = rest_.size();
  return piece_.empty() ? Result::kMore : Result::kPiece;
}

ContentDecoder::Result Inflater::Inflate() {
  stream_.next_in = reinterpret_cast<Bytef*>(rest_.data() + used_);
  stream_.avail_in = static_cast<uInt>(rest().size());
  stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
  stream_.avail_out = static_cast<uInt>(out_.size());
  const int result = inflate(&stream_, Z_SYNC_FLUSH);
  used_ = rest_.size() - stream_.avail_in;
  piece_ = {out_.data(), out_.size() - stream_.avail_out};
  between_ = result == Z_STREAM_END;
  full_ = !between_ && stream_.avail_out == 0;
  // Z_BUF_ERROR: nothing was left to do.
  if (!between_ && result != Z_OK && result != Z_BUF_ERROR) return Result::kBroken;
  if (!piece_.empty()) return Result::kPiece;
  return between_ && !rest().empty() ? Next() : Result::kMore;
}

// A server that flushes by ending a member begins another; anything else behind
// the end is padding.
bool Inflater::BeginMember() {
  if (!ended_ && rest().size() < kSignBytes) return false;
  ended_ = ended_ || !gzip_ || !rest().starts_with(kGzipSign) || inflateReset(&stream_) != Z_OK;
  if (ended_) used_ = rest_.size();
  between_ = ended_;
  return !ended_;
}

}  // namespace

std::unique_ptr<ContentDecoder> ContentDecoder::For(std::string_view content_encoding) {
  std::string coding = CodingOf(content_encoding);
  if (coding.empty()) return nullptr;
  const bool gzip = absl::EqualsIgnoreCase(coding, "gzip") || absl::EqualsIgnoreCase(coding, "x-gzip");
  if (!gzip && !absl::EqualsIgnoreCase(coding, "deflate")) return std::make_unique<UnknownCoding>(std::move(coding));
  return std::make_unique<Inflater>(std::move(coding), gzip);
}

}  // namespace sluice
