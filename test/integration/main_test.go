package integration_test

import (
	"os"
	"testing"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// TestMain has every server log as much as it can: TestCanaries searches all of it.
func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.Options{Verbose: true})) }
