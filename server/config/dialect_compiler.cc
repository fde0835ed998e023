#include "server/config/dialect_compiler.h"

namespace sluice {
namespace {

constexpr Dialect::TokenLimit kMaxTokens = Dialect::TokenLimit::kMaxTokens;
constexpr Dialect::TokenLimit kMaxCompletionTokens = Dialect::TokenLimit::kMaxCompletionTokens;
constexpr Dialect::ReasoningKey kNone = Dialect::ReasoningKey::kNone;
constexpr Dialect::ReasoningKey kReasoningContent = Dialect::ReasoningKey::kReasoningContent;
constexpr Dialect::ReasoningKey kReasoning = Dialect::ReasoningKey::kReasoning;

// What a preset sets; the rest is as in GENERIC, the defaults of Dialect.
struct PresetRow {
  v1::DialectPreset preset;
  Dialect::TokenLimit token_limit;
  bool stream_options;
  bool developer_role;
  Dialect::ReasoningKey reasoning;
  Dialect::Documents documents = Dialect::Documents::kById;
  bool media_in_tool_results = false;
};

constexpr PresetRow kPresets[] = {
    // max_tokens: every server but OpenAI's newer models. reasoning_content: DeepSeek's name, which Kimi, Z.ai,
    // MiMo, SGLang and llama.cpp took over and want back (hermes-agent#15353, #24443).
    {v1::DIALECT_PRESET_GENERIC, kMaxTokens, true, false, kReasoningContent},
    // "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    // (gollm#33); the API reference has developer in the place of system, and no field for reasoning.
    {v1::DIALECT_PRESET_OPENAI, kMaxCompletionTokens, true, true, kNone},
    // The same words for its own deployments (opencode#37964).
    {v1::DIALECT_PRESET_AZURE, kMaxCompletionTokens, true, true, kNone},
    // Reads `reasoning` of a turn and drops reasoning_content (vllm#27755, vllm#38488); Qwen's templates raise
    // "Unexpected message role" for developer (ogx#6069).
    {v1::DIALECT_PRESET_VLLM, kMaxTokens, true, false, kReasoning},
    // A developer's message is dropped by most templates (sglang#40082).
    {v1::DIALECT_PRESET_SGLANG, kMaxTokens, true, false, kReasoningContent},
    // Maps developer to system by itself, and only since March 2026 (llama.cpp#20215).
    {v1::DIALECT_PRESET_LLAMA_CPP, kMaxTokens, true, false, kReasoningContent},
    // docs.ollama.com/api/openai-compatibility lists max_tokens and stream_options; a message has `reasoning`.
    {v1::DIALECT_PRESET_OLLAMA, kMaxTokens, true, false, kReasoning},
    // 422 extra_forbidden for max_completion_tokens (eca#231), stream_options (anon-kode#53: usage comes by
    // itself) and reasoning_content in a turn (crush#1590). docs.mistral.ai/studio/document-processing/document-qna has
    // document_url; a tool's content is a list of the same chunks, and "Unexpected role 'user' after role 'tool'"
    // (zed#37021).
    {v1::DIALECT_PRESET_MISTRAL, kMaxTokens, false, false, kNone, Dialect::Documents::kDocumentUrl, true},
    // "unknown variant `developer`, expected one of `system`, `user`, …" (pi#1048); "The reasoning_content in
    // the thinking mode must be passed back to the API."
    {v1::DIALECT_PRESET_DEEPSEEK, kMaxTokens, true, false, kReasoningContent},
    // ai.google.dev/gemini-api/docs/openai: what it wants back is extra_content, a state of its own. "Unknown name
    // \"reasoning\": Cannot find field." (SkyrimNet-GamePlugin#77).
    {v1::DIALECT_PRESET_GEMINI, kMaxTokens, true, false, kNone},
    // "property 'reasoning_content' is unsupported" (jan#8136), and `reasoning` only by some models (vercel/ai#8057):
    // back it goes where a state says that it came. max_tokens is deprecated there (groq-python#175).
    {v1::DIALECT_PRESET_GROQ, kMaxCompletionTokens, true, false, kNone},
    // openrouter.ai/docs/use-cases/reasoning-tokens: message.reasoning and reasoning_details;
    // openrouter.ai/docs/features/multimodal/pdfs: a URL stands where a file's bytes would.
    {v1::DIALECT_PRESET_OPENROUTER, kMaxTokens, true, false, kReasoning, Dialect::Documents::kByUrlToo},
};

struct HostRow {
  std::string_view host;  // with a dot in front: every name that ends so
  v1::DialectPreset preset;
};

constexpr HostRow kHosts[] = {
    {"api.openai.com", v1::DIALECT_PRESET_OPENAI},
    {".api.openai.com", v1::DIALECT_PRESET_OPENAI},  // eu.api.openai.com: its data residency
    {".openai.azure.com", v1::DIALECT_PRESET_AZURE},
    {".services.ai.azure.com", v1::DIALECT_PRESET_AZURE},
    {".cognitiveservices.azure.com", v1::DIALECT_PRESET_AZURE},
    {"api.mistral.ai", v1::DIALECT_PRESET_MISTRAL},
    {"codestral.mistral.ai", v1::DIALECT_PRESET_MISTRAL},
    {"api.deepseek.com", v1::DIALECT_PRESET_DEEPSEEK},
    {"generativelanguage.googleapis.com", v1::DIALECT_PRESET_GEMINI},
    {"api.groq.com", v1::DIALECT_PRESET_GROQ},
    {"openrouter.ai", v1::DIALECT_PRESET_OPENROUTER},
    {"ollama.com", v1::DIALECT_PRESET_OLLAMA},
};

Dialect::TokenLimit TokenLimitOf(v1::TokenLimitKey key) {
  return key == v1::TOKEN_LIMIT_KEY_MAX_TOKENS ? kMaxTokens : kMaxCompletionTokens;
}

Dialect::ReasoningKey ReasoningKeyOf(v1::ReasoningKey key) {
  switch (key) {
    case v1::REASONING_KEY_REASONING_CONTENT: return kReasoningContent;
    case v1::REASONING_KEY_REASONING: return kReasoning;
    default: return kNone;
  }
}

}  // namespace

v1::DialectPreset PresetOfHost(std::string_view host) {
  for (const HostRow& row : kHosts) {
    if (row.host.front() == '.' ? host.ends_with(row.host) : host == row.host) return row.preset;
  }
  return v1::DIALECT_PRESET_GENERIC;
}

Dialect DialectOf(v1::DialectPreset preset) {
  Dialect out;
  for (const PresetRow& row : kPresets) {
    if (row.preset != preset) continue;
    out.token_limit = row.token_limit;
    out.stream_options = row.stream_options;
    out.developer_role = row.developer_role;
    out.reasoning = row.reasoning;
    out.documents = row.documents;
    out.media_in_tool_results = row.media_in_tool_results;
  }
  return out;
}

Dialect CompileDialect(const v1::Dialect& written, std::string_view host) {
  const bool chosen = written.preset() != v1::DIALECT_PRESET_UNSPECIFIED;
  Dialect out = DialectOf(chosen ? written.preset() : PresetOfHost(host));
  if (written.token_limit() != v1::TOKEN_LIMIT_KEY_UNSPECIFIED) out.token_limit = TokenLimitOf(written.token_limit());
  if (written.has_stream_options()) out.stream_options = written.stream_options();
  if (written.has_developer_role()) out.developer_role = written.developer_role();
  if (written.has_strict_tools()) out.strict_tools = written.strict_tools();
  if (written.has_parallel_tool_calls()) out.parallel_tool_calls = written.parallel_tool_calls();
  if (written.reasoning() != v1::REASONING_KEY_UNSPECIFIED) out.reasoning = ReasoningKeyOf(written.reasoning());
  if (written.has_ends_without_finish()) out.ends_without_finish = written.ends_without_finish();
  if (!written.content_type().empty()) out.content_type = written.content_type();
  return out;
}

}  // namespace sluice
