package provider

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/greenticai/gtc-csi-provider/provider/lease"
	"github.com/greenticai/gtc-csi-provider/provider/session"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// metrics are the Server's. Their labels are words of ours and HTTP statuses: nothing that a pod, a class or Vault could choose.
type metrics struct {
	mounts   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	requests *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	current  prometheus.Gauge
	answers  *prometheus.CounterVec
	failures prometheus.Counter
	leases   *prometheus.CounterVec
	ended    prometheus.Counter
	watching prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer, held func() session.Totals, leased func() lease.Totals, spared func() int) (*metrics, error) {
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
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "greentic_provider_answers_total",
			Help: "Good answers to the driver by where they came from: vault, shared (read for another pod), memory, stale, removed.",
		}, []string{"from"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "greentic_provider_refresh_failures_total",
			Help: "Refreshes that Vault did not answer or refused.",
		}),
		leases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "greentic_provider_lease_events_total",
			Help: "Leases and certificates by what became of them: first, restart (made again after the provider's), replaced, renewed, " +
				"failed (a renewal), lost (for good), silent, returned, revoked (the pod has ended), left (Vault would not revoke it).",
		}, []string{"what"}),
		ended: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "greentic_provider_pods_ended_total",
			Help: "Pods with something remembered or leased whose end the pod watch told.",
		}),
		watching: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "greentic_provider_pod_watch_up",
			Help: "1 if the pod watch hears of pods' ends, 0 if it is off or interrupted.",
		}),
	}
	for _, what := range lease.Everything() {
		m.leases.WithLabelValues(string(what))
	}
	for _, from := range []session.From{session.Read, session.Shared, session.Memory, session.Stale, session.Removed} {
		m.answers.WithLabelValues(string(from))
	}
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("refused")
	m.current.Set(1)
	if registry == nil {
		return m, nil
	}
	var faults []error
	for _, collector := range slices.Concat(sessionGauges(held, spared), leaseGauges(leased), []prometheus.Collector{
		m.mounts, m.seconds, m.requests, m.reloads, m.current, m.answers, m.failures, m.leases, m.ended, m.watching,
	}) {
		faults = append(faults, registry.Register(collector))
	}
	return m, errors.Join(faults...)
}

// sessionGauges tell what is remembered.
func sessionGauges(held func() session.Totals, spared func() int) []prometheus.Collector {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		gauge("greentic_provider_sessions", "Volumes that are remembered.", func() int { return held().Sessions }),
		gauge("greentic_provider_session_bytes", "Bytes of answers that are remembered.", func() int { return held().Bytes }),
		gauge("greentic_provider_sessions_troubled", "Volumes whose last refresh failed.", func() int { return held().Troubled }),
		gauge("greentic_provider_vaults_spared", "Connections whose Vault does not answer, and is asked only now and then.", spared),
	}
}

// leaseGauges tell what is held for pods.
func leaseGauges(held func() lease.Totals) []prometheus.Collector {
	gauge := func(name, help string, value func(lease.Totals) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(held()) })
	}
	return []prometheus.Collector{
		gauge("greentic_provider_leases", "Leases that are held for pods.", func(t lease.Totals) float64 { return float64(t.Leases) }),
		gauge("greentic_provider_certificates", "Certificates that are held for pods.", func(t lease.Totals) float64 { return float64(t.Certificates) }),
		gauge("greentic_provider_lease_next_end_seconds", "Until the first of them ends unless it is renewed or replaced; 0 where there is none.",
			func(t lease.Totals) float64 { return t.Next.Seconds() }),
	}
}

// leased counts what happens to leases and certificates.
func (m *metrics) leased(e lease.Event) { m.leases.WithLabelValues(string(e.What)).Inc() }

// told counts an answer by where it came from, and a refresh that failed.
func (m *metrics) told(a session.Answer, err error) {
	if err == nil {
		m.answers.WithLabelValues(string(a.From)).Inc()
	}
	if a.Trouble != nil {
		m.failures.Inc()
	}
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
