// The program's log: spdlog on standard error, as text or as one JSON object a
// line. Set up once by main, before other threads.
#ifndef SLUICE_CONTROLPLANE_TELEMETRY_LOG_H_
#define SLUICE_CONTROLPLANE_TELEMETRY_LOG_H_

namespace sluice {

enum class LogFormat { kText, kJson };

// Also sends what gRPC logs there, at debug level: its own lines repeat what we
// say better.
void SetUpLog(LogFormat format);

}  // namespace sluice

#endif  // SLUICE_CONTROLPLANE_TELEMETRY_LOG_H_
