package program

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// Metrics asks the provider for its metrics without labels, as Prometheus does. Where they are served is in its log, which must tell of no
// other HTTP.
func (p *Process) Metrics(ctx context.Context) (map[string]float64, error) {
	address, err := servedAt(p.log)
	if err != nil {
		return nil, fmt.Errorf("reading its metrics: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("reading its metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading its metrics: %w", err)
	}
	defer response.Body.Close()
	metrics := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil { // others are comments
			metrics[name] = value
		}
	}
	if len(metrics) == 0 || lines.Err() != nil {
		return nil, fmt.Errorf("reading its metrics: status %d: %w", response.StatusCode, errors.Join(lines.Err(), errNoMetrics))
	}
	return metrics, nil
}

var errNoMetrics = errors.New("there are none")

// servedAt is the address in the log's line about HTTP.
func servedAt(log string) (string, error) {
	text, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving http" {
			return entry.Address, nil
		}
	}
	return "", errors.New("its log does not say that it serves HTTP")
}
