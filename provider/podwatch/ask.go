package podwatch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/kubeapi"
)

// The bounds of what is read. A pod's metadata has at most some 100 KiB unless its author wants to do harm, and at most about 1 MiB then.
const (
	perPage  = 20
	maxPages = 100
	maxPage  = 24 << 20
	maxLine  = 4 << 20
)

const (
	pageTime = 30 * time.Second
	// How long a watch is asked for, up to twice that, as in Kubernetes' own clients; and how much later it is given up.
	watchTime = 5 * time.Minute
	overtime  = 30 * time.Second
)

// list reads all pods of the node that have not ended. The API server's most recent state is asked for: an older one could lack a pod
// that is there.
func (w *Watch) list(ctx context.Context) (pods map[string]Pod, version string, err error) {
	pods = map[string]Pod{}
	query := w.selection()
	query.Set("limit", strconv.Itoa(perPage))
	for range maxPages {
		p, err := w.page(ctx, query)
		if err != nil {
			return nil, "", fmt.Errorf("listing the node's pods: %w", err)
		}
		for _, pod := range p.pods {
			pods[pod.UID] = pod
		}
		if p.next == "" {
			return pods, p.version, nil
		}
		query.Set("continue", p.next)
	}
	return nil, "", fmt.Errorf("listing the node's pods: %w: it has no end", errAnswer)
}

func (w *Watch) page(ctx context.Context, query url.Values) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	body, err := w.ask(ctx, "List", query)
	if err != nil {
		return page{}, err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, maxPage+1))
	switch {
	case err != nil:
		return page{}, errBroken
	case len(text) > maxPage:
		return page{}, fmt.Errorf("%w: it is longer than %d bytes", errAnswer, maxPage)
	}
	return parsePage(text)
}

// follow reads what changes after version and gives it to apply, until the API server ends the watch, which is no error.
func (w *Watch) follow(ctx context.Context, version string, began func(), apply func(change)) error {
	lasts := time.Duration(float64(watchTime) * (1 + rand.Float64())) //nolint:gosec // jitter needs no secrecy
	ctx, cancel := context.WithTimeout(ctx, lasts+overtime)
	defer cancel()
	query := w.selection()
	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	query.Set("resourceVersion", version)
	query.Set("timeoutSeconds", strconv.Itoa(int(lasts/time.Second)))
	body, err := w.ask(ctx, "", query)
	if err != nil {
		return fmt.Errorf("watching the node's pods: %w", err)
	}
	defer func() { _ = body.Close() }()
	began()
	for reader := bufio.NewReader(body); ; {
		line, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var c change
		if err == nil {
			c, err = parseChange(line)
		}
		if err != nil {
			return fmt.Errorf("watching the node's pods: %w", err)
		}
		apply(c)
	}
}

var errBroken = errors.New("the API server's answer has ended before its time")

// readLine reads a whole line; io.EOF is an end between two lines.
func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("%w: a line is longer than %d bytes", errAnswer, maxLine)
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil, io.EOF
		default:
			return nil, errBroken
		}
	}
}

// selection is which pods are asked for: the node's that have not ended. One that ends leaves the selection, which a watch tells as
// a deletion.
func (w *Watch) selection() url.Values {
	return url.Values{"fieldSelector": {"spec.nodeName=" + w.Node + ",status.phase!=Succeeded,status.phase!=Failed"}}
}

// ask asks for pods' metadata alone.
func (w *Watch) ask(ctx context.Context, kind string, query url.Values) (io.ReadCloser, error) {
	answer, err := w.API.Do(ctx, kubeapi.Request{
		Method: http.MethodGet, Path: []string{"api", "v1", "pods"}, Query: query,
		Accept: "application/json;as=PartialObjectMetadata" + kind + ";g=meta.k8s.io;v=v1",
	})
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection is used again
		_ = answer.Body.Close()
		return nil, refused(answer.StatusCode)
	}
	return answer.Body, nil
}
