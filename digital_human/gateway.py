"""The gateway's configuration: Envoy, told by code.

Envoy's back-off before retry n is drawn evenly from [0, (2^n - 1) × base), so `initial_delay` is
the longest, not the exact, first delay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digital_human.ports import LOOPBACK
from digital_human.settings import Settings
from digital_human.traffic import CLUSTER

TYPES = "type.googleapis.com/envoy"
RETRY_ON = "gateway-error,connect-failure,refused-stream,reset"
# Below the keep-alive of the services, so that it is always the gateway that closes an idle one.
IDLE_TIMEOUT = "30s"


def config(
    *, listen: int, admin: int, endpoints: Path, log: Path, settings: Settings
) -> dict[str, Any]:
    """Envoy's bootstrap: `listen` balances over what the file `endpoints` names."""
    return {
        # Whoever reads its endpoints from elsewhere has to have a name.
        "node": {"id": "gateway", "cluster": "gateway"},
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [
                {
                    "name": "entry",
                    "address": _address(listen),
                    "filter_chains": [{"filters": [_connections(log, settings)]}],
                }
            ],
            "clusters": [_cluster(endpoints, settings)],
        },
    }


def _connections(log: Path, settings: Settings) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3"
            ".HttpConnectionManager",
            "stat_prefix": "entry",
            "generate_request_id": True,
            "preserve_external_request_id": True,
            "always_set_request_id_in_response": True,
            "request_id_extension": {
                "typed_config": {
                    "@type": f"{TYPES}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                    # Else Envoy alters ids that it did not make.
                    "pack_trace_reason": False,
                }
            },
            "access_log": [_access_log(log, "downstream")],
            "route_config": {"virtual_hosts": [_routes(settings)]},
            "http_filters": [
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": f"{TYPES}.extensions.filters.http.router.v3.Router",
                        "upstream_log": [_access_log(log, "upstream")],
                    },
                }
            ],
        },
    }


def _routes(settings: Settings) -> dict[str, Any]:
    route: dict[str, Any] = {"cluster": CLUSTER, "timeout": seconds(settings.gateway.timeout)}
    if settings.retry.enabled and settings.retry.max_attempts > 1:
        route["retry_policy"] = _retries(settings)
    return {
        "name": "dialogue",
        "domains": ["*"],
        "include_request_attempt_count": True,
        "routes": [{"match": {"prefix": "/"}, "route": route}],
    }


def _retries(settings: Settings) -> dict[str, Any]:
    retry = settings.retry
    return {
        "retry_on": RETRY_ON,
        "num_retries": retry.max_attempts - 1,
        "per_try_timeout": seconds(retry.per_try_timeout),
        "retry_back_off": {
            "base_interval": seconds(retry.initial_delay),
            "max_interval": seconds(max(retry.max_delay, retry.initial_delay)),
        },
        # A retry goes to the other copy, not to the one that has just failed.
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": f"{TYPES}.extensions.retry.host.previous_hosts.v3"
                    ".PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }


def _cluster(endpoints: Path, settings: Settings) -> dict[str, Any]:
    cluster: dict[str, Any] = {
        "name": CLUSTER,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "resource_api_version": "V3",
                "path_config_source": {"path": str(endpoints)},
            }
        },
        "connect_timeout": "0.25s",
        "lb_policy": "ROUND_ROBIN",
        # By default a change of health reaches the balancer up to a second after it was found.
        "common_lb_config": {"update_merge_window": "0s"},
        # The default of 3 concurrent retries would turn one dead copy into errors under load.
        "circuit_breakers": {
            "thresholds": [{"max_connections": 4096, "max_requests": 4096, "max_retries": 512}]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }
    if settings.outlier_detection.enabled:
        cluster["outlier_detection"] = _outlier_detection(settings)
    if settings.health_check.enabled:
        cluster["health_checks"] = [_health_check(settings)]
    return cluster


def _outlier_detection(settings: Settings) -> dict[str, Any]:
    outliers = settings.outlier_detection
    return {
        "consecutive_5xx": outliers.consecutive_5xx,
        "consecutive_gateway_failure": outliers.consecutive_5xx,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": seconds(outliers.interval),
        "base_ejection_time": seconds(outliers.ejection_time),
        "max_ejection_time": seconds(outliers.ejection_time * 10),
        # Never all copies at once.
        "max_ejection_percent": 50,
    }


def _health_check(settings: Settings) -> dict[str, Any]:
    check = settings.health_check
    return {
        "timeout": seconds(check.timeout),
        "interval": seconds(check.interval),
        "no_traffic_interval": seconds(check.interval),
        "unhealthy_threshold": check.unhealthy_threshold,
        "healthy_threshold": check.healthy_threshold,
        "http_health_check": {"path": "/health"},
    }


def _access_log(path: Path, kind: str) -> dict[str, Any]:
    upstream = kind == "upstream"
    # In the log of an attempt, the operator that counts attempts always says 0.
    attempt = "%REQ(X-ENVOY-ATTEMPT-COUNT)%" if upstream else "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"
    span = "US_TX_BEG:US_RX_END" if upstream else "DS_RX_BEG:DS_TX_END"
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{TYPES}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {
                "json_format": {
                    "kind": kind,
                    "start_wall_ns": "%START_TIME(%s%9f)%",
                    "duration_ms": "%DURATION%",
                    "span_us": f"%COMMON_DURATION({span}:us)%",
                    "method": "%REQ(:METHOD)%",
                    "path": "%REQ(:PATH)%",
                    "status": "%RESPONSE_CODE%",
                    "flags": "%RESPONSE_FLAGS%",
                    "upstream": "%UPSTREAM_HOST%",
                    "attempt": attempt,
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "user_agent": "%REQ(USER-AGENT)%",
                }
            },
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def seconds(value: float) -> str:
    """A time as Envoy's files write it."""
    return f"{value:.6f}".rstrip("0").rstrip(".") + "s"
