package diag

import (
	"errors"
	"strings"
	"testing"
)

// sigmas is the number of standard errors by which an estimate may be wrong.
const sigmas = 4

func wantError(t *testing.T, name string, err, is error, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error", name)
	case !errors.Is(err, is):
		t.Errorf("%s: %q is not %q", name, err, is)
	case !strings.HasPrefix(err.Error(), "diag: ") || !strings.Contains(err.Error(), text):
		t.Errorf("%s: %q does not say %q", name, err, text)
	}
}
