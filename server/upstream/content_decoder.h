// Undoes a content coding that was not asked for. Some proxies compress whatever
// passes, though `Accept-Encoding: identity` was sent. Pieces in, pieces out: a
// bomb of zeros yields pieces, and nothing grows. One per response; no thread of
// its own.
#ifndef SLUICE_SERVER_UPSTREAM_CONTENT_DECODER_H_
#define SLUICE_SERVER_UPSTREAM_CONTENT_DECODER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sluice {

class ContentDecoder {
 public:
  enum class Result {
    kPiece,  // piece() is the next of the content; ask again
    kMore,   // wants more bytes
    kBroken,
  };

  // Of a Content-Encoding: null where that is identity. A decoder that knows()
  // not the coding has nothing but its name.
  static std::unique_ptr<ContentDecoder> For(std::string_view content_encoding);

  virtual ~ContentDecoder() = default;
  virtual bool knows() const = 0;
  const std::string& coding() const { return coding_; }

  // The next bytes of the body; only after Next said kMore. Not empty.
  virtual void Feed(std::string_view bytes) = 0;
  virtual Result Next() = 0;
  // After kPiece, until the next call.
  virtual std::string_view piece() const = 0;

 protected:
  explicit ContentDecoder(std::string coding) : coding_(std::move(coding)) {}

 private:
  const std::string coding_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_UPSTREAM_CONTENT_DECODER_H_
