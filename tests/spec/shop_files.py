"""What the people of a small project wrote: an experiment, a target, objectives."""

EXPERIMENT = """\
apiVersion: sloproof/v1
kind: Experiment
metadata:
  name: slow-speech
  labels: {tier: ci, drill: monthly}
  annotations: {change: CHG0012345}
spec:
  hypothesis: When speech is slow the breaker opens and people still get their answer as text.
  target: shop
  variables: {delay: 800ms}
  load:
    warmup: 5s
    mix: [{profile: orders, share: 80%}, {locustfile: perf/locustfile.py, share: 20%}]
    arrivals:
      - {from: 20/s, to: 100/s, for: 5s}
      - {rate: 100/s}
  baseline: 8s
  faults:
    - name: slow
      inject: latency
      where: {from: dialogue, to: speech}
      with: {delay: $(delay), jitter: 50ms, direction: downstream}
      at: 10s
      for: 12s
    - inject: pod_kill
      where: {service: dialogue, pick: {count: 1}}
      after: {detected: slow, plus: 2s}
  recovery: {at_least: 10s, at_most: 60s}
  stop:
    - error_rate: {above: 50%}
      for: 5s
    - {slo: shop-availability, for: 5s}
  verify:
    - slo: shop-availability
    - slo: shop-latency
      name: latency-while-slow
      during: {fault: slow}
      tolerance: {target: 95%}
    - recovery: shop-recovery
    - circuit_breaker: {from: dialogue, to: speech, failure_threshold: 5, recovery_timeout: 2s}
    - no_data_loss:
"""

TARGET = """\
apiVersion: sloproof/v1
kind: Target
metadata: {name: shop}
spec:
  platform: local
  variables: {recovery: 2s}
  start: {command: [$(python), -m, shop, --recovery, $(recovery)], within: 30s}
  stop: {command: [$(python), -m, shop, --stop]}
  discover: {file: run/ports.json}
  entry:
    url: http://127.0.0.1:$(found.ports.gateway)
    headers: {x-client: sloproof}
  services:
    dialogue:
      region: a
      instances:
        - {name: dialogue-1, listens: $(found.ports.dialogue-1), labels: {shard: one}}
        - {name: dialogue-2, listens: 8002}
    speech:
      region: a
      instances: [{name: speech-1, pid_file: run/speech.pid}]
    store:
      region: b
      instances: [{name: store-1, command_line: [postgres, -D]}]
  links:
    - {from: client, to: dialogue, entry: true}
    - from: dialogue
      to: speech
      proxy: {server: "http://127.0.0.1:8474", name: dialogue-speech}
    - {from: dialogue, to: store, source_instance: dialogue-1}
    - {from: dialogue, to: store, source_instance: dialogue-2}
  probes:
    - {name: entry, kind: http, params: {url: "$(found.entry)"}, every: 10ms}
  signals:
    - {name: cpu, kind: http, params: {}, every: 1s}
  events:
    - {name: healer, file: run/events.jsonl, roles: {detected: [alert], breaker: [open]}}
  switches:
    slow:
      service: speech
      read: {method: GET, url: "http://localhost:9000/switch"}
      set: {command: [touch, "{path}"]}
      reset: {command: [rm, run/slow]}
  allow: {hosts: [store.example], max_rate: 200/s}
  volumes:
    data: {path: run/data, budget: 64MiB, instance: store-1}
    logs: {path: run/logs}
"""

SLOS = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: shop}
spec: {}
---
apiVersion: openslo/v1
kind: SLO
metadata:
  name: shop-availability
  annotations: {sloproof/traffic: 40/s}
spec:
  service: shop
  indicator:
    metadata: {name: good-orders}
    spec:
      ratioMetric:
        counter: true
        good:
          metricSource: {type: sloproof, spec: {status: [2xx], within: 2s}}
        total:
          metricSource: {type: sloproof, spec: {method: POST, path: /orders/*}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{displayName: Good, target: 0.99}]
  alertPolicies: [{alertPolicyRef: fast-burn}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop-latency}
spec:
  service: shop
  indicatorRef: slow-orders
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.5}]
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: slow-orders}
spec:
  thresholdMetric:
    metricSource:
      type: sloproof
      spec: {method: POST, path: /orders/*, quantile: 99%, latencyOf: good}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast-burn}
spec:
  alertWhenBreaching: true
  conditions: [{conditionRef: fast}]
  notificationTargets: []
---
apiVersion: openslo/v1
kind: AlertCondition
metadata:
  name: fast
  annotations: {sloproof/short-window: 5m}
spec:
  severity: page
  condition: {kind: burnrate, threshold: 14.4, lookbackWindow: 1h, alertAfter: 0m}
"""

RECOVERY = """\
apiVersion: sloproof/v1
kind: RecoveryObjective
metadata: {name: shop-recovery}
spec:
  probe: entry
  rto: 5s
  rpo: 1s
  from: fault
"""

FOUND = {"ports": {"gateway": 8080, "dialogue-1": 8001}, "entry": "http://127.0.0.1:8080/health"}
