package accept_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// machine wraps the program so that each node sees a disk of its own, $disk, which a command
// makes, and others mount, for as long as the machine is up: so what a killed daemon has
// mounted is there when the next one comes.
const machine = `#!/bin/sh
[ "$1" = daemon ] || exec %[1]s "$@"
disk="$ORCHESTRATOR_HOME/disk" machine="$ORCHESTRATOR_HOME/machine"
[ -e "$disk" ] || %[2]s
chmod 755 "$ORCHESTRATOR_HOME"
pid=$(cat "$machine" 2>/dev/null)
if ! grep -qs sleep "/proc/$pid/comm" || ! nsenter --mount --target "$pid" true 2>/dev/null; then # or it is just ending
	rm -f "$machine"
	setsid unshare --mount --propagation private sh -ec '
		disk="$0"
		%[3]s
		echo $$ >"$1.new"
		mv "$1.new" "$1"
		exec sleep infinity' "$disk" "$machine" </dev/null &
	until [ -s "$machine" ]; do sleep 0.05; done
fi
exec nsenter --mount --target "$(cat "$machine")" %[1]s "$@"
`

// withDisk is the program wrapped so.
func withDisk(t *testing.T, makeDisk, mounts string) string {
	t.Helper()
	wrapper := filepath.Join(t.TempDir(), "orchestrator")
	if err := os.WriteFile(wrapper, fmt.Appendf(nil, machine, program, makeDisk, mounts), 0o700); err != nil {
		t.Fatal(err)
	}
	return wrapper
}
