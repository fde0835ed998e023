// What an exchange tells its observer of a response: head, and body without its
// content coding.
#include "server/upstream/exchange.h"

namespace sluice {

bool Exchange::TellHead() {
  const HttpHead& head = parser_.head();
  if (parser_.encoded()) decoder_ = ContentDecoder::For(head.header("content-encoding"));
  // Of an error the status says enough.
  if (decoder_ != nullptr && !decoder_->knows() && head.status() / 100 == 2) {
    return Refuse("the response has a content coding that was not asked for: " + decoder_->coding());
  }
  // Some servers answer and close before they were asked.
  return Announce() && Tell([this] { observer_->OnHead(parser_.head()); });
}

bool Exchange::TellCoded() {
  decoder_->Feed(parser_.body());
  return TellDecoded();
}

bool Exchange::TellDecoded() {
  const std::shared_ptr<ContentDecoder> decoder = decoder_;
  while (!paused_) {
    switch (decoder->Next()) {
      case ContentDecoder::Result::kMore:
        return true;
      case ContentDecoder::Result::kBroken:
        return Refuse("the response is not the " + decoder->coding() + " that it says");
      case ContentDecoder::Result::kPiece:
        if (!Tell([&] { observer_->OnBody(decoder->piece()); })) return false;
    }
  }
  return true;
}

}  // namespace sluice
