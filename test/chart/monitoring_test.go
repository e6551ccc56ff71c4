package chart_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/config"
)

// TestAlertsAndDashboardUseMetricsThatThereAre, and labels of theirs: an alert on a name that nobody writes is silent for ever.
func TestAlertsAndDashboardUseMetricsThatThereAre(t *testing.T) {
	known := metricsOf(t)
	require.Contains(t, known, "greentic_provider_mounts_total")
	objects := render(t, everything)
	expressions := alerts(t, at(t, find(objects, "PrometheusRule/gtc-csi-provider"), ".spec.groups[*].rules"))
	require.Len(t, expressions, 7)
	panels := panels(t, at(t, find(objects, "ConfigMap/gtc-csi-provider-dashboard"), `.data.gtc-csi-provider\.json`))
	require.Len(t, panels, 10)
	for _, expression := range append(expressions, panels...) {
		parsed, err := metricsql.Parse(strings.ReplaceAll(expression, "$__rate_interval", "5m"))
		require.NoError(t, err, expression)
		var names []string
		metricsql.VisitAll(parsed, func(e metricsql.Expr) {
			metric, ok := e.(*metricsql.MetricExpr)
			if !ok {
				return
			}
			for _, filters := range metric.LabelFilterss {
				name := filters[0].Value
				assert.Contains(t, known, name, expression)
				names = append(names, name)
				for _, filter := range filters[1:] {
					assert.Contains(t, known[name], filter.Label, "%s has no such label", name)
				}
			}
		})
		require.NotEmpty(t, names, expression)
		metricsql.VisitAll(parsed, func(e metricsql.Expr) {
			sum, ok := e.(*metricsql.AggrFuncExpr)
			if !ok {
				return
			}
			for _, label := range sum.Modifier.Args {
				assert.Contains(t, known[names[0]], label, expression)
			}
		})
	}
}

// catalogue registers nothing and keeps what would be.
type catalogue struct {
	prometheus.Registerer
	descriptions []string
}

func (c *catalogue) Register(collector prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		collector.Describe(descriptions)
	}()
	for description := range descriptions {
		c.descriptions = append(c.descriptions, description.String())
	}
	return nil
}

// metricsOf are the labels of the provider's metrics by name, as Prometheus has them once the PodMonitor has found the pods.
func metricsOf(t *testing.T) map[string][]string {
	t.Helper()
	names := &catalogue{}
	naming, err := badge.NewNaming("")
	require.NoError(t, err)
	pattern, err := badge.ParsePattern("*/*/*")
	require.NoError(t, err)
	settings := config.Config{Naming: naming, Vaults: []config.Vault{{
		Name: "v", Audience: "a", AuthMethod: config.JWT, AuthMount: "jwt", KVMount: "kv", KVPrefix: "p", TransitMount: "t", TransitKey: "k",
		Addresses: []*url.URL{{Scheme: "http", Host: "127.0.0.1:1"}}, Scopes: []badge.Pattern{pattern},
	}}}
	server, err := provider.New(settings, provider.Options{Version: "0.0.0", Metrics: names})
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	require.NoError(t, names.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})))

	target := []string{"namespace", "pod", "container", "job"}
	known := map[string][]string{"up": target}
	described := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for _, description := range names.descriptions {
		parts := described.FindStringSubmatch(description)
		require.Len(t, parts, 3, description)
		known[parts[1]] = append(strings.Split(parts[2], ","), target...)
		for _, part := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			known[parts[1]+part] = append([]string{"le"}, known[parts[1]]...)
		}
	}
	return known
}

func alerts(t *testing.T, text string) (expressions []string) {
	t.Helper()
	var rules []struct {
		Alert, Expr, For    string
		Labels, Annotations map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(text), &rules))
	for _, rule := range rules {
		assert.NotEmpty(t, rule.For, rule.Alert)
		assert.Contains(t, []string{"critical", "warning"}, rule.Labels["severity"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["description"], rule.Alert)
		expressions = append(expressions, rule.Expr)
	}
	return expressions
}

func panels(t *testing.T, text string) (expressions []string) {
	t.Helper()
	var file string
	require.NoError(t, json.Unmarshal([]byte(text), &file))
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal([]byte(file), &dashboard))
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}
