// Where and how the program logs: to stderr, as text or as JSON lines. main
// only.
#ifndef SLUICE_SERVER_LOG_SETUP_H_
#define SLUICE_SERVER_LOG_SETUP_H_

namespace sluice {

void SetUpLog(bool json);

}  // namespace sluice

#endif  // SLUICE_SERVER_LOG_SETUP_H_
