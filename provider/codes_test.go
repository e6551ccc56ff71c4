package provider

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/greenticai/gtc-csi-provider/provider/params"
	"github.com/greenticai/gtc-csi-provider/provider/record"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// TestCodesTheKubeletCannotDecideOnNeverOccur is why the table exists.
func TestCodesTheKubeletCannotDecideOnNeverOccur(t *testing.T) {
	undecided := []codes.Code{
		codes.OK, codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Aborted, codes.Canceled, codes.Unknown,
	}
	seen := map[error]bool{}
	for _, m := range meanings {
		assert.NotContains(t, undecided, m.code, "%v", m.err)
		assert.NotEmpty(t, m.reason)
		assert.False(t, seen[m.err], "%v stands twice", m.err)
		seen[m.err] = true
	}
}

// TestOfSeveralFaultsTheFirstClassCounts is DESIGN's precedence, proven on the rows as they stand.
func TestOfSeveralFaultsTheFirstClassCounts(t *testing.T) {
	order := []codes.Code{
		codes.InvalidArgument, codes.PermissionDenied, codes.FailedPrecondition, codes.Unauthenticated, codes.OutOfRange, codes.Internal,
		codes.DataLoss, codes.NotFound,
	}
	rank := func(code codes.Code) int {
		for i, c := range order {
			if c == code {
				return i
			}
		}
		t.Fatalf("%s has no place", code)
		return 0
	}
	for _, one := range meanings {
		for _, other := range meanings {
			joined := errors.Join(fmt.Errorf("objects[0]: %w", other.err), fmt.Errorf("objects[1]: %w", one.err))
			want := one.code
			if rank(other.code) < rank(want) {
				want = other.code
			}
			assert.Equal(t, want, meaningOf(joined).code, "%v and %v", one.err, other.err)
		}
	}
}

func TestStatus(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"success":   {nil, codes.OK, ""},
		"one line":  {errors.Join(fmt.Errorf("a: %w", params.ErrInvalid), errors.New("b")), codes.InvalidArgument, "a: invalid parameters; b"},
		"deadline":  {fmt.Errorf("x: %w", context.DeadlineExceeded), codes.FailedPrecondition, "x: context deadline exceeded"},
		"data loss": {errors.Join(record.ErrCorrupt, vault.ErrNotFound), codes.DataLoss, "the record cannot be opened; vault has no such secret"},
		"a bug": {
			errors.New("canary"), codes.Internal,
			"a bug in the provider: an error of type *errors.errorString that it has no meaning for; report it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := status.Convert(statusOf(row.err))
			assert.Equal(t, row.code, got.Code())
			assert.Equal(t, row.text, got.Message())
		})
	}
}
