"""Generated from proto/sluice/v1/gateway.proto when the package is built."""
