package soak_test

import (
	"os"
	"testing"

	"github.com/greenticai/gtc-csi-provider/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.Options{Verbose: true})) }
