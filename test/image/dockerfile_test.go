package image_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// stages are the Dockerfile's, each with its instructions; "" is what stands before the first.
func stages(t *testing.T) map[string][]string {
	t.Helper()
	found, stage := map[string][]string{}, ""
	text := strings.ReplaceAll(read(t, "../../Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, from := strings.CutPrefix(line, "FROM ${BASE} AS "); from {
			stage = name
			found[stage] = nil
			continue
		}
		found[stage] = append(found[stage], line)
	}
	return found
}

func TestDockerfile(t *testing.T) {
	all := stages(t)
	assert.Len(t, all, 3, "two targets")
	assert.Equal(t, []string{"ARG BASE=scratch"}, all[""], "no builder image is needed")
	for target, want := range map[string][]string{
		"provider": {
			"COPY gtc-csi-provider gtc-exec /usr/local/bin/", "COPY provider/ /usr/share/doc/gtc-csi-provider/",
			"ARG VERSION=dev", "USER 65532:65532", `ENTRYPOINT ["/usr/local/bin/gtc-csi-provider"]`,
		},
		"deployer": {
			"COPY gtc-deployer /usr/local/bin/", "COPY deployer/ /usr/share/doc/gtc-deployer/",
			"ARG VERSION=dev", "USER 65532:65532", `ENTRYPOINT ["/usr/local/bin/gtc-deployer"]`,
		},
	} {
		t.Run(target, func(t *testing.T) {
			for _, instruction := range want {
				assert.Contains(t, all[target], instruction)
			}
			assert.True(t, strings.HasPrefix(all[target][0], "COPY "), "the classic builder takes the architecture from a COPY only")
			for _, instruction := range all[target] {
				word, rest, _ := strings.Cut(instruction, " ")
				assert.Contains(t, []string{"COPY", "ARG", "LABEL", "USER", "ENTRYPOINT"}, word)
				assert.False(t, strings.HasPrefix(rest, "--") || strings.Contains(rest, "<<"), "the classic builder does not know %s", instruction)
			}
		})
	}
}
