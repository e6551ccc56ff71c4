package version_test

import (
	"regexp"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/greenticai/gtc-csi-provider/cmd/internal/version"
)

// semantic is semver.org's grammar, without what it says of leading zeros.
const semantic = `\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?`

func TestOf(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	for name, row := range map[string]struct{ module, revision, want string }{
		"a release":            {"v1.2.3", revision, "1.2.3"},
		"a prerelease":         {"v1.2.3-rc.1", "", "1.2.3-rc.1"},
		"a commit":             {"v0.0.0-20260101000000-0123456789ab", revision, "0.0.0-20260101000000-0123456789ab"},
		"a changed tree":       {"v1.2.3+dirty", revision, "1.2.3+dirty"},
		"a revision only":      {"(devel)", revision, "0.0.0-devel+0123456789ab"},
		"a revision cut off":   {"(devel)", "0123", "0.0.0-devel"},
		"no version control":   {"(devel)", "", "0.0.0-devel"},
		"nothing at all":       {"", "", "0.0.0-devel"},
		"a name, not a number": {"main", "", "0.0.0-devel"},
	} {
		t.Run(name, func(t *testing.T) {
			info := &debug.BuildInfo{Main: debug.Module{Version: row.module}, Settings: []debug.BuildSetting{
				{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: row.revision},
			}}
			got := version.Of(info)
			assert.Equal(t, row.want, got)
			assert.Regexp(t, `^`+semantic+`$`, got)
		})
	}
}

func TestLine(t *testing.T) {
	assert.Regexp(t, `^gtc-exec `+regexp.QuoteMeta(version.Number())+` \(go\S+( \S+)?, linux/(amd64|arm64)\)$`, version.Line("gtc-exec"))
	assert.Regexp(t, `^`+semantic+`$`, version.Number())
}
