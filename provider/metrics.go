package provider

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// metrics are the Server's. Their labels are words of ours and HTTP statuses: nothing that a pod, a class or Vault could choose.
type metrics struct {
	mounts   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	requests *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	current  prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		mounts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "greentic_provider_mounts_total",
			Help: "Mounts by result (ok or error) and reason, as in the provider's log.",
		}, []string{"result", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "greentic_provider_mount_seconds",
			Help:    "How long mounts took, by result.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 55},
		}, []string{"result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "greentic_provider_vault_requests_total",
			Help: `Tries of requests to Vault by kind and HTTP status ("none" where no answer came).`,
		}, []string{"kind", "status"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "greentic_provider_config_reloads_total",
			Help: "Changes of the configuration's file by result (ok or refused).",
		}, []string{"result"}),
		current: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "greentic_provider_config_current",
			Help: "1 if the configuration in force is the one in the file, 0 if the file's was refused.",
		}),
	}
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("refused")
	m.current.Set(1)
	if registry == nil {
		return m, nil
	}
	var faults []error
	for _, collector := range []prometheus.Collector{m.mounts, m.seconds, m.requests, m.reloads, m.current} {
		faults = append(faults, registry.Register(collector))
	}
	return m, errors.Join(faults...)
}

func (m *metrics) mounted(outcome meaning, took time.Duration) {
	result := "error"
	if outcome.code == codes.OK {
		result = "ok"
	}
	m.mounts.WithLabelValues(result, outcome.reason).Inc()
	m.seconds.WithLabelValues(result).Observe(took.Seconds())
}

func (m *metrics) asked(e vault.Event) {
	m.requests.WithLabelValues(string(e.Kind), statusLabel(e.Status)).Inc()
}

// statusLabel keeps whoever answers from making as many time series as there are numbers.
func statusLabel(code int) string {
	switch {
	case code == 0:
		return "none"
	case code >= 100 && code <= 599:
		return strconv.Itoa(code)
	default:
		return "other"
	}
}

func (m *metrics) reloaded(err error) {
	if err != nil {
		m.reloads.WithLabelValues("refused").Inc()
		m.current.Set(0)
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.current.Set(1)
}
