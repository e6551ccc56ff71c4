package readme_test

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/greenticai/gtc-csi-provider/provider"
	"github.com/greenticai/gtc-csi-provider/provider/config"
)

// described is a Registerer that only asks collectors what they are.
type described struct{ rows []string }

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "(.+)", unit: "[^"]*", constLabels: \{\}, variableLabels: \{([^}]*)\}\}$`)

// Register notes the collector's metrics.
func (d *described) Register(c prometheus.Collector) error {
	found := make(chan *prometheus.Desc, 10)
	c.Describe(found)
	close(found)
	for metric := range found {
		parts := description.FindStringSubmatch(metric.String())
		if parts == nil {
			return fmt.Errorf("the library describes a metric in another way: %s", metric)
		}
		labels := "none"
		if parts[3] != "" {
			labels = "`" + strings.ReplaceAll(parts[3], ",", "`, `") + "`"
		}
		d.rows = append(d.rows, fmt.Sprintf("| `%s` | %s | %s |\n", parts[1], labels, strings.ReplaceAll(parts[2], `\"`, `"`)))
	}
	return nil
}

// MustRegister is not what a Server calls.
func (d *described) MustRegister(...prometheus.Collector) { panic("not used") }

// Unregister does nothing.
func (d *described) Unregister(prometheus.Collector) bool { return false }

// metrics is the table of all metrics of the provider's own.
func metrics() string {
	var d described
	server, err := provider.New(config.Config{Vaults: []config.Vault{{
		Name: "default", Addresses: []*url.URL{{Scheme: "http", Host: "127.0.0.1:1"}},
		AuthMount: "a", KVMount: "a", KVPrefix: "a", TransitMount: "a", TransitKey: "a",
	}}}, provider.Options{Metrics: &d})
	if err != nil {
		return err.Error()
	}
	defer server.Close()
	slices.Sort(d.rows)
	return "| metric | labels | meaning |\n|---|---|---|\n" + strings.Join(d.rows, "")
}
