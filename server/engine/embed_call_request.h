// Embeddings as the engine sees them.
#ifndef SLUICE_SERVER_ENGINE_EMBED_CALL_REQUEST_H_
#define SLUICE_SERVER_ENGINE_EMBED_CALL_REQUEST_H_

#include <memory>

#include "server/engine/call_request.h"

namespace sluice::v1 {
class EmbedRequest;
}

namespace sluice {

// The request must outlive it. Its answer's events are kEmbedding and kUsage;
// the sink must be one that collects.
std::unique_ptr<const CallRequest> NewEmbedCallRequest(const v1::EmbedRequest& request);

}  // namespace sluice

#endif  // SLUICE_SERVER_ENGINE_EMBED_CALL_REQUEST_H_
