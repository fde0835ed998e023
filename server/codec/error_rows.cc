#include "server/codec/error_rows.h"

namespace sluice {
namespace {

using P = ErrorPlace;
using S = ErrorSign;

// Of phrases the first that is found counts: those of limits on a rate of
// tokens stand before those of context, which they resemble. A phrase must be
// the server's own: callers' texts are echoed, so "maximum" or "billing" alone
// is none.
constexpr ErrorRow kRows[] = {
    // --- Quota ---
    {P::kWord, "insufficientquota", S::kQuota},  // platform.openai.com/docs/guides/error-codes
    {P::kWord, "quotaexceeded*", S::kQuota},  // volcengine.com/docs/82379/1299023; Azure
    {P::kWord, "exceededcurrentquota*", S::kQuota},  // platform.kimi.ai/docs/api/errors
    {P::kWord, "billing*", S::kQuota},  // OpenAI billing_hard_limit_reached, billing_not_active; Anthropic billing_error
    {P::kWord, "insufficientbalance*", S::kQuota},  // docs.venice.ai/api-reference/error-codes
    {P::kWord, "insufficientuserquota", S::kQuota},  // QuantumNous/new-api
    {P::kWord, "*tokenquotafailed", S::kQuota},  // songquanpeng/one-api: pre_consume_token_quota_failed
    {P::kWord, "budgetexceeded*", S::kQuota},  // docs.litellm.ai/docs/proxy/users: a 400
    {P::kWord, "insufficientfunds*", S::kQuota},  // docs.ltx.video/errors
    {P::kWord, "insufficientcredit*", S::kQuota},  // vercel/ai-gateway; platform.iflow.cn/en/docs/error-codes
    {P::kWord, "creditserror", S::kQuota},  // thelioo/opencode-balancer#41
    {P::kWord, "paymentrequired*", S::kQuota},  // docs.together.ai/docs/error-codes
    {P::kWord, "usagelimit*", S::kQuota},  // Codex: usage_limit_reached
    {P::kWord, "*spendlimitexceeded", S::kQuota},  // docs.venice.ai: API_KEY_USD_SPEND_LIMIT_EXCEEDED
    {P::kWord, "arrearage", S::kQuota},  // help.aliyun.com/en/model-studio/error-code
    {P::kWord, "allocationquota.freetieronly", S::kQuota},  // the same page
    {P::kWord, "accountoverdue*", S::kQuota},  // volcengine.com/docs/82379/1299023
    {P::kWord, "setlimitexceeded", S::kQuota},  // the same page: the account's own token limit
    {P::kWord, "1113", S::kQuota},  // docs.z.ai/api-reference/api-code, and zai-org/feedback#789: arrears
    {P::kWord, "1304", S::kQuota},  // docs.bigmodel.cn/cn/api/api-code: calls of the day
    {P::kWord, "1308", S::kQuota},  // the same: limit until a time
    {P::kWord, "1309", S::kQuota},  // the same: plan over
    {P::kWord, "1310", S::kQuota},  // the same: week or month
    {P::kWord, "30001", S::kQuota},  // SiliconFlow: account balance is insufficient
    {P::kWord, "60400", S::kQuota},  // platform.iflow.cn/en/docs/error-codes
    {P::kBaseCode, "1008", S::kQuota},  // platform.minimax.io/docs/api-reference/errorcode
    {P::kBaseCode, "2056", S::kQuota},  // the same: usage limit of the plan

    // --- Content policy ---
    {P::kWord, "contentfilter*", S::kRefused},  // Azure, OpenAI; platform.kimi.ai/docs/api/errors
    {P::kWord, "contentpolicy*", S::kRefused},  // OpenAI images; litellm ContentPolicyViolationError
    {P::kWord, "responsibleaipolicyviolation", S::kRefused},  // Azure's innererror
    {P::kWord, "moderation*", S::kRefused},  // OpenAI moderation_blocked; ours for OpenRouter's metadata
    {P::kWord, "*datainspectionfailed*", S::kRefused},  // help.aliyun.com/en/model-studio/error-code
    {P::kWord, "*sensitivecontentdetected*", S::kRefused},  // volcengine.com/docs/82379/1299023
    {P::kWord, "*riskdetection", S::kRefused},  // volcengine.com/docs/82379/1099476: InputTextRiskDetection
    {P::kWord, "prohibitedcontent", S::kRefused},  // Gemini's block reason
    {P::kWord, "safetycheck*", S::kRefused},  // docs.x.ai: usage guidelines
    {P::kWord, "1301", S::kRefused},  // docs.bigmodel.cn/cn/api/api-code
    {P::kBaseCode, "1026", S::kRefused},  // platform.minimax.io/docs/api-reference/errorcode: input
    {P::kBaseCode, "1027", S::kRefused},  // the same: output

    // --- Context ---
    {P::kWord, "contextlengthexceeded*", S::kContext},  // OpenAI, Groq, Cerebras
    {P::kWord, "exceedcontextsize*", S::kContext},  // ggml-org/llama.cpp#15780
    {P::kWord, "contextwindowexceeded*", S::kContext},  // BerriAI/litellm ContextWindowExceededError
    {P::kWord, "contextoverflow*", S::kContext},  // langchain-ai/langchain#35099
    {P::kWord, "outofcontext*", S::kContext},  // volcengine.com/docs/82379/1299023: OutofContextError
    {P::kWord, "tokenslimitreached", S::kContext},  // GitHub Models: Request body too large for a model
    {P::kWord, "tokenlimitexceeded", S::kContext},  // developers.glean.com/errors/token-limit-exceeded
    {P::kWord, "modelmaxprompttokensexceeded", S::kContext},  // GitHub Copilot
    {P::kWord, "1261", S::kContext},  // docs.bigmodel.cn/cn/api/api-code: prompt too long
    {P::kBaseCode, "1039", S::kContext},  // platform.minimax.io/docs/api-reference/errorcode

    // --- The model failed ---
    {P::kWord, "toolusefailed", S::kModelFailed},  // pydantic/pydantic-ai#2774, groq/groq-typescript#28
    {P::kWord, "jsonvalidatefailed", S::kModelFailed},  // console.groq.com/docs/structured-outputs
    {P::kWord, "outputparsefailed", S::kModelFailed},  // Groq
    {P::kWord, "modelerror*", S::kModelFailed},  // Bedrock ModelErrorException

    // --- Rate ---
    {P::kWord, "ratelimit*", S::kRateLimited},  // OpenAI, Anthropic, Kimi, Mistral; RateLimitExceeded.EndpointTPMExceeded
    {P::kWord, "*ratelimitexceeded", S::kRateLimited},  // ModelAccountTpmRateLimitExceeded; Google's userRateLimitExceeded
    {P::kWord, "toomanyrequests*", S::kRateLimited},  // Azure, Cohere, Google's CLI
    {P::kWord, "throttling*", S::kRateLimited},  // help.aliyun.com: Throttling.RateQuota; Bedrock ThrottlingException
    {P::kWord, "limitburstrate", S::kRateLimited},  // help.aliyun.com/en/model-studio/error-code
    {P::kWord, "limitrequests", S::kRateLimited},  // the same
    {P::kWord, "resourceexhausted", S::kRateLimited},  // google.rpc.Code
    {P::kWord, "requestburst*", S::kRateLimited},  // Volcengine: RequestBurstTooFast
    {P::kWord, "1302", S::kRateLimited},  // docs.bigmodel.cn/cn/api/api-code: at once
    {P::kWord, "1303", S::kRateLimited},  // the same: too often
    {P::kWord, "1305", S::kRateLimited},  // the same: too much for now
    {P::kWord, "1312", S::kRateLimited},  // the same: of this model
    {P::kWord, "1313", S::kRateLimited},  // the same: fair use
    {P::kWord, "40303", S::kRateLimited},  // platform.iflow.cn/en/docs/error-codes
    {P::kBaseCode, "1002", S::kRateLimited},  // platform.minimax.io/docs/api-reference/errorcode
    {P::kBaseCode, "1041", S::kRateLimited},  // the same: connections
    {P::kBaseCode, "2045", S::kRateLimited},  // the same: growth of the rate

    // --- Model unknown ---
    {P::kWord, "modelnotfound*", S::kNotFound},  // OpenAI, Groq, DashScope
    {P::kWord, "deploymentnotfound", S::kNotFound},  // Azure
    {P::kWord, "unknownmodel", S::kNotFound},  // GitHub Models
    {P::kWord, "invalidmodel*", S::kNotFound},  // Mistral: invalid_model
    {P::kWord, "modeldecommissioned", S::kNotFound},  // console.groq.com/docs/deprecations
    {P::kWord, "modelnotopen", S::kNotFound},  // volcengine.com/docs/82379/1299023
    {P::kWord, "invalidendpoint*", S::kNotFound},  // the same: InvalidEndpointOrModel.NotFound, .ClosedEndpoint
    {P::kWord, "notfound*", S::kNotFound},  // Anthropic not_found_error, vLLM NotFoundError, google.rpc.Code
    {P::kWord, "1211", S::kNotFound},  // docs.bigmodel.cn/cn/api/api-code
    {P::kWord, "20012", S::kNotFound},  // SiliconFlow: Model does not exist

    // --- Our credential ---
    {P::kWord, "invalidapikey*", S::kAuth},  // OpenAI, DashScope, StepFun
    {P::kWord, "incorrectapikey*", S::kAuth},  // Kimi
    {P::kWord, "apikeyinvalid", S::kAuth},  // Gemini: reason in the details
    {P::kWord, "wrongapikey", S::kAuth},  // Cerebras
    {P::kWord, "authentication*", S::kAuth},  // Anthropic authentication_error, Volcengine AuthenticationError
    {P::kWord, "invalidauthentication*", S::kAuth},  // Kimi
    {P::kWord, "accountdeactivated", S::kAuth},  // OpenAI
    {P::kWord, "unauthorized*", S::kAuth},  // Mistral, Fireworks
    {P::kWord, "unauthenticated", S::kAuth},  // google.rpc.Code
    {P::kWord, "permission*", S::kAuth},  // Anthropic permission_error, google.rpc.Code
    {P::kWord, "accessdenied*", S::kAuth},  // Volcengine, DashScope, Bedrock AccessDeniedException
    {P::kBaseCode, "1004", S::kAuth},  // platform.minimax.io/docs/api-reference/errorcode
    {P::kBaseCode, "2049", S::kAuth},  // the same

    // --- Overload ---
    {P::kWord, "*overloaded*", S::kOverload},  // Anthropic overloaded_error, Kimi engine_overloaded_error, ServerOverloaded
    {P::kWord, "serviceunavailable*", S::kOverload},  // OpenAI, litellm, Bedrock
    {P::kWord, "unavailable", S::kOverload},  // google.rpc.Code
    {P::kWord, "modelnotready*", S::kOverload},  // Bedrock ModelNotReadyException

    // --- Any failure inside ---
    {P::kWord, "servererror", S::kServer},  // OpenAI, llama.cpp
    {P::kWord, "apierror", S::kServer},  // Anthropic
    {P::kWord, "internal*", S::kServer},  // google.rpc.Code, vLLM InternalServerError
    {P::kWord, "deadlineexceeded", S::kServer},  // google.rpc.Code
    {P::kWord, "timeout*", S::kServer},  // litellm
    {P::kBaseCode, "1000", S::kServer},  // platform.minimax.io/docs/api-reference/errorcode: unknown
    {P::kBaseCode, "1001", S::kServer},  // the same: time ran out
    {P::kBaseCode, "1024", S::kServer},  // the same
    {P::kBaseCode, "1033", S::kServer},  // the same

    // --- Any request that is refused ---
    {P::kWord, "stringabovemaxlength", S::kCaller},  // OpenAI
    {P::kWord, "invalidrequest*", S::kCaller},  // OpenAI, Anthropic, and for nearly everything others
    {P::kWord, "invalidparameter*", S::kCaller},  // DashScope, Volcengine
    {P::kWord, "missingparameter*", S::kCaller},  // Volcengine
    {P::kWord, "invalidargument", S::kCaller},  // google.rpc.Code
    {P::kWord, "badrequest*", S::kCaller},  // vLLM, litellm
    {P::kWord, "validation*", S::kCaller},  // TGI, Bedrock ValidationException
    {P::kBaseCode, "2013", S::kCaller},  // platform.minimax.io/docs/api-reference/errorcode
    {P::kBaseCode, "1042", S::kCaller},  // the same: unreadable characters

    // --- Phrases of a rate ---
    {P::kMessage, "tokens per min", S::kRateLimited},  // OpenAI; openclaw/openclaw#147644: Groq's 413
    {P::kMessage, "tokens per day", S::kRateLimited},  // Groq
    {P::kMessage, "requests per min", S::kRateLimited},  // OpenAI
    {P::kMessage, "requests per day", S::kRateLimited},  // the same
    {P::kMessage, "too many tokens, please wait", S::kRateLimited},  // Bedrock
    {P::kMessage, "too many requests", S::kRateLimited},
    {P::kMessage, "rate limit exceeded", S::kRateLimited},  // Mistral, and others
    {P::kMessage, "rate limit reached", S::kRateLimited},  // Aider-AI/aider#3265
    {P::kMessage, "exceeded * rate limit", S::kRateLimited},  // Azure: call rate limit, token rate limit
    {P::kMessage, "rate-limited", S::kRateLimited},  // OpenRouter: temporarily rate-limited upstream
    {P::kMessage, "concurrency limit reached", S::kRateLimited},  // docs.coreweave.com/support/inference
    {P::kMessage, "max organization", S::kRateLimited},  // Kimi: reached max organization concurrency, RPM
    {P::kMessage, "resource exhausted. please try again", S::kRateLimited},  // google-gemini/gemini-cli#14811
    {P::kMessage, "resource has been exhausted", S::kRateLimited},  // the same

    // --- Phrases of quota ---
    {P::kMessage, "insufficient balance", S::kQuota},  // DeepSeek; zai-org/GLM-5#148
    {P::kMessage, "insufficient account balance", S::kQuota},  // Novita
    {P::kMessage, "not enough balance", S::kQuota},  // Novita
    {P::kMessage, "insufficient credit", S::kQuota},  // openrouter.ai/docs/errors
    {P::kMessage, "insufficient funds", S::kQuota},  // docs.ltx.video/errors
    {P::kMessage, "insufficient_quota", S::kQuota},  // litellm's copy of OpenAI's
    {P::kMessage, "exceeded your current quota", S::kQuota},  // OpenAI, Gemini
    {P::kMessage, "quota exceeded", S::kQuota},  // diegosouzapw/OmniRoute#1772
    {P::kMessage, "quota * exceeded", S::kQuota},  // volcengine; W&B
    {P::kMessage, "exceeded * quota", S::kQuota},  // Kimi, Gemini
    {P::kMessage, "quota * used up", S::kQuota},  // support.huaweicloud.com: MaaS
    {P::kMessage, "quota is not enough", S::kQuota},  // songquanpeng/one-api
    {P::kMessage, "budget has been exceeded", S::kQuota},  // docs.litellm.ai/docs/proxy/users
    {P::kMessage, "key limit exceeded", S::kQuota},  // OpenRouter: a 403
    {P::kMessage, "api calls / month", S::kQuota},  // docs.cohere.com/docs/rate-limits: a trial key
    {P::kMessage, "billing hard limit has been reached", S::kQuota},  // OpenAI
    {P::kMessage, "quota * exhausted", S::kQuota},  // Google
    {P::kMessage, "free tier * exhausted", S::kQuota},  // help.aliyun.com/en/model-studio/error-code
    {P::kMessage, "credit balance is too low", S::kQuota},  // Anthropic
    {P::kMessage, "balance is insufficient", S::kQuota},  // SiliconFlow
    {P::kMessage, "balance is not enough", S::kQuota},  // one-api
    {P::kMessage, "out of credits", S::kQuota},  // klarkxy/open-console-gateway#51
    {P::kMessage, "requires more credits", S::kQuota},  // OpenRouter
    {P::kMessage, "used all available credits", S::kQuota},  // xAI
    {P::kMessage, "exceeded your monthly", S::kQuota},  // Hugging Face: included credits
    {P::kMessage, "spending limit", S::kQuota},  // xAI, Together
    {P::kMessage, "usage limit", S::kQuota},  // docs.z.ai: 1308; Codex, MiniMax
    {P::kMessage, "please recharge", S::kQuota},  // Z.ai
    {P::kMessage, "overdue balance", S::kQuota},  // volcengine.com/docs/82379/1299023
    {P::kMessage, "account is in good standing", S::kQuota},  // anomalyco/opencode#22994: DashScope
    {P::kMessage, "in arrears", S::kQuota},  // DashScope
    {P::kMessage, "payment required", S::kQuota},
    {P::kMessage, "余额不足", S::kQuota},  // continuedev/continue#11823
    {P::kMessage, "额度不足", S::kQuota},  // QuantumNous/new-api
    {P::kMessage, "额度已用尽", S::kQuota},  // songquanpeng/one-api
    {P::kMessage, "欠费", S::kQuota},  // docs.bigmodel.cn/cn/api/api-code

    // --- Phrases of a content policy ---
    {P::kMessage, "content management policy", S::kRefused},  // Azure
    {P::kMessage, "content filtering policy", S::kRefused},  // Anthropic
    {P::kMessage, "content_policy_violation", S::kRefused},  // litellm's copy of OpenAI's
    {P::kMessage, "contentpolicyviolationerror", S::kRefused},  // litellm
    {P::kMessage, "violates * usage guidelines", S::kRefused},  // docs.x.ai
    {P::kMessage, "violates usage guidelines", S::kRefused},  // the same
    {P::kMessage, "requires moderation", S::kRefused},  // openrouter.ai/docs/errors
    {P::kMessage, "input was flagged", S::kRefused},  // the same
    {P::kMessage, "considered high risk", S::kRefused},  // platform.kimi.ai/docs/api/errors
    {P::kMessage, "content exists risk", S::kRefused},  // DeepSeek
    {P::kMessage, "contain inappropriate content", S::kRefused},  // QwenLM/qwen-code#3145
    {P::kMessage, "sensitive content", S::kRefused},  // Z.ai, volcengine.com/docs/82379/1099476
    {P::kMessage, "contain sensitive", S::kRefused},  // Volcengine: may contain sensitive information
    {P::kMessage, "new_sensitive", S::kRefused},  // MiniMax
    {P::kMessage, "our safety system", S::kRefused},  // OpenAI
    {P::kMessage, "flagged as potentially violating", S::kRefused},  // OpenAI: invalid_prompt
    {P::kMessage, "敏感内容", S::kRefused},  // docs.bigmodel.cn/cn/api/api-code

    // --- Phrases of context ---
    {P::kMessage, "maximum context length", S::kContext},  // OpenAI, vLLM (vllm-project/vllm#19464), DeepSeek, Mistral, OpenRouter
    {P::kMessage, "model's maximum context", S::kContext},  // docs.venice.ai/api-reference/error-codes
    {P::kMessage, "maximum context window", S::kContext},  // scaleway.com/en/docs/generative-apis
    {P::kMessage, "context_length_exceeded", S::kContext},  // proxies
    {P::kMessage, "contextwindowexceedederror", S::kContext},  // BrokkAi/brokk-app#540: litellm
    {P::kMessage, "exceed* context size", S::kContext},  // ggml-org/llama.cpp#17284: the available
    {P::kMessage, "exceed* context window", S::kContext},  // OpenAI Responses, llama-cpp-python, Cloudflare
    {P::kMessage, "exceed* context limit", S::kContext},  // BrokkAi/brokk-app#540: Anthropic
    {P::kMessage, "exceed* context length", S::kContext},  // Ollama, Volcengine
    {P::kMessage, "context size* exceeded", S::kContext},  // ggml-org/llama.cpp#19774
    {P::kMessage, "context length* exceeded", S::kContext},  // Cerebras, and proxies
    {P::kMessage, "context window* exceeded", S::kContext},  // proxies
    {P::kMessage, "input tokens exceed", S::kContext},  // OpenAI, gpt-5: the configured limit
    {P::kMessage, "exceed* max_seq_len", S::kContext},  // TensorRT-LLM
    {P::kMessage, "exceed* max_model_len", S::kContext},  // vLLM
    {P::kMessage, "too many tokens:", S::kContext},  // Cohere: size limit exceeded by
    {P::kMessage, "reduce the length of the input", S::kContext},  // vLLM
    {P::kMessage, "reduce the length of the prompt", S::kContext},  // vLLM
    {P::kMessage, "prompt too long", S::kContext},  // Ollama
    {P::kMessage, "longer than * context length", S::kContext},  // SGLang: BerriAI/litellm#10793
    {P::kMessage, "longer than the maximum model length", S::kContext},  // vLLM
    {P::kMessage, "model's context length is only", S::kContext},  // vLLM: You passed n input tokens
    {P::kMessage, "max_tokens must be at least 1, got -", S::kContext},  // vLLM: what the prompt leaves
    {P::kMessage, "longer than * context window", S::kContext},  // proxies
    {P::kMessage, "too long to fit into the model", S::kContext},  // vllm-project/vllm#12165
    {P::kMessage, "the configured context size is", S::kContext},  // oobabooga/textgen#7257
    {P::kMessage, "too large to process. increase the physical batch size", S::kContext},  // llama.cpp, embeddings
    {P::kMessage, "context window exceeds limit", S::kContext},  // MiniMax
    {P::kMessage, "exceeds * model's context", S::kContext},  // Azure, and proxies
    {P::kMessage, "less than the context length", S::kContext},  // docs.together.ai/docs/error-codes: 403
    {P::kMessage, "greater than the context length", S::kContext},  // Gitlawb/openclaude#353: LM Studio
    {P::kMessage, "loaded with context length of only", S::kContext},  // lmstudio-ai/lmstudio-bug-tracker#237
    {P::kMessage, "loaded with a context length of only", S::kContext},  // n4ze3m/page-assist#356
    {P::kMessage, "`inputs` tokens + `max_new_tokens` must be", S::kContext},  // TGI
    {P::kMessage, "`inputs` must have less than", S::kContext},  // TGI, text-embeddings-inference
    {P::kMessage, "prompt length * exceeds maximum", S::kContext},  // triton-inference-server/tensorrtllm_backend#141, #565
    {P::kMessage, "greater than max_seq_len", S::kContext},  // TabbyAPI
    {P::kMessage, "must be less than max_seq_len", S::kContext},  // chatboxai/chatbox#2060: SiliconFlow
    {P::kMessage, "or equal to max_seq_len", S::kContext},  // continuedev/continue#10993: SiliconFlow
    {P::kMessage, "exceeded model token limit", S::kContext},  // MoonshotAI/kimi-cli#2011
    {P::kMessage, "token length exceed model limit", S::kContext},  // Kimi, older
    {P::kMessage, "input token length too long", S::kContext},  // platform.kimi.ai/docs/api/errors
    {P::kMessage, "reduce the length of the messages", S::kContext},  // Groq, Cerebras
    {P::kMessage, "prompt is too long", S::kContext},  // crewAIInc/crewAI#4371: Anthropic; Fireworks
    {P::kMessage, "input is too long for requested model", S::kContext},  // Bedrock
    {P::kMessage, "input token count * exceeds the maximum", S::kContext},  // google-gemini/gemini-cli#4692
    {P::kMessage, "input token count is * but model only supports", S::kContext},  // Vertex AI
    {P::kMessage, "token count * exceeds the limit of", S::kContext},  // GitHub Copilot
    {P::kMessage, "total number of tokens * cannot exceed", S::kContext},  // cohere-ai/sandbox-topically#4
    {P::kMessage, "number of input tokens * cannot exceed", S::kContext},  // watsonx
    {P::kMessage, "maximum prompt length is", S::kContext},  // xAI
    {P::kMessage, "range of input length should be", S::kContext},  // QwenLM/qwen-code#98
    {P::kMessage, "exceed max message tokens", S::kContext},  // Volcengine
    {P::kMessage, "input length * exceeds the maximum", S::kContext},  // SGLang, Volcengine
    {P::kMessage, "request body too large for * model. max size:", S::kContext},  // GitHub Models
    {P::kMessage, "prompt exceeds max length", S::kContext},  // Z.ai: 1261
    {P::kMessage, "prompt 超长", S::kContext},  // docs.bigmodel.cn/cn/api/api-code

    // --- Phrases of a model that failed ---
    {P::kMessage, "failed to call a function", S::kModelFailed},  // groq/groq-typescript#28
    {P::kMessage, "failed to generate json", S::kModelFailed},  // thepersonalaicompany/amurex-backend#38
    {P::kMessage, "see 'failed_generation'", S::kModelFailed},  // Groq
    {P::kMessage, "tool call validation failed", S::kModelFailed},  // ItzCrazyKns/Vane#980
    {P::kMessage, "model generated output that could not be parsed", S::kModelFailed},  // Groq
    {P::kMessage, "model produced invalid content", S::kModelFailed},  // OpenAI
    {P::kMessage, "model did not call a tool", S::kModelFailed},  // Groq

    // --- Phrases of an unknown model ---
    {P::kMessage, "model not exist", S::kNotFound},  // DeepSeek
    {P::kMessage, "model does not exist", S::kNotFound},  // anyme123/Any-code#1: SiliconFlow
    {P::kMessage, "model * does not exist", S::kNotFound},  // OpenAI, vLLM, Volcengine
    {P::kMessage, "model not found", S::kNotFound},  // Fireworks
    {P::kMessage, "model * not found", S::kNotFound},  // Ollama
    {P::kMessage, "not a valid model id", S::kNotFound},  // OpenRouter
    {P::kMessage, "invalid model:", S::kNotFound},  // Mistral
    {P::kMessage, "model * has been decommissioned", S::kNotFound},  // Groq
    {P::kMessage, "deployment for this resource does not exist", S::kNotFound},  // Azure
    {P::kMessage, "no endpoints found", S::kNotFound},  // OpenRouter

    // --- Phrases of our credential ---
    {P::kMessage, "api key not valid", S::kAuth},  // Gemini: a 400
    {P::kMessage, "api key expired", S::kAuth},  // the same
    {P::kMessage, "incorrect api key", S::kAuth},  // xAI: a 400
    {P::kMessage, "invalid api key", S::kAuth},  // Cohere, Groq
    {P::kMessage, "location is not supported", S::kAuth},  // Gemini: a 400

    // --- Phrases of overload; only where no status tells ---
    {P::kMessage, "overloaded", S::kOverload},  // Anthropic, Kimi
    {P::kMessage, "over capacity", S::kOverload},  // UKGovernmentBEIS/inspect_ai#5218
    {P::kMessage, "capacity exceeded", S::kOverload},  // Mistral
    {P::kMessage, "too busy", S::kOverload},  // SiliconFlow: 50603
    {P::kMessage, "server is busy", S::kOverload},  // DeepSeek
    {P::kMessage, "experiencing high demand", S::kOverload},  // Gemini
    {P::kMessage, "temporarily unavailable", S::kOverload},
};

}  // namespace

std::span<const ErrorRow> ErrorRows() { return kRows; }

}  // namespace sluice
