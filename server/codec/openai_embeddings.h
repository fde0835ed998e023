// Embeddings of OpenAI and those that speak like it: POST /embeddings, vectors
// as JSON numbers; read in the other forms that servers answer with, too.
#ifndef SLUICE_SERVER_CODEC_OPENAI_EMBEDDINGS_H_
#define SLUICE_SERVER_CODEC_OPENAI_EMBEDDINGS_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/codec/wire_format.h"
#include "sluice/v1/gateway.pb.h"

namespace sluice {

// Any thread.
absl::StatusOr<EncodedRequest> EncodeOpenAiEmbed(const v1::EmbedRequest& request, std::string_view model,
                                                 const Dialect& dialect);

// One answer. Each vector is read as soon as it is there, so that never more
// than one of them is held as text; options.max_event_bytes bounds that text,
// and that of all the rest of the answer.
std::unique_ptr<ResponseDecoder> NewOpenAiEmbedDecoder(const AnswerOptions& options, const EmbedShape& shape);

}  // namespace sluice

#endif  // SLUICE_SERVER_CODEC_OPENAI_EMBEDDINGS_H_
