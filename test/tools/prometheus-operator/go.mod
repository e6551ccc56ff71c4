// Nothing is built from this: it pins the Prometheus operator's definitions, against which test/chart checks what the chart makes for it.
module github.com/greenticai/gtc-csi-provider/test/tools/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
