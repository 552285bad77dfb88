package replication

import (
	"testing"

	"github.com/orchestrator-ha/orchestrator/core"
)

// fill makes files of every kind.
const fill = `
	mkdir -p sub/deep "sp ace"; echo hello >"sp ace/f"; head -c 3000000 /dev/urandom >big; ln big sub/big2
	ln -s nowhere link; mkfifo -m 640 pipe; mknod dev c 1 3
	truncate -s 50M holes; printf x | dd of=holes bs=1 seek=20000000 conv=notrunc status=none
	setfattr -n user.a -v 1 big; chmod 2750 sub; chown 7:8 sub/deep; touch -d 2001-02-03 "sp ace/f"
	mkdir acl; setfacl -d -m u:7:rwx acl 2>/dev/null || true; echo x >acl/f
	for i in $(seq 250); do echo $i >sub/deep/$i; done`

// A new secondary gets all, follows, and gets what was changed without it.
func TestFillFollowReturn(t *testing.T) {
	a, b := newPair(t, 2)
	must(t, a.order(Order{Replica: core.ReplicatePrim, Data: generation(1)}))
	a.run(0, fill)
	a.run(1, `echo other >f`)
	must(t, b.order(Order{Replica: core.ReplicateSecond}))
	a.isCopied(generation(1))
	b.isCopied(generation(1))
	same(t, a, b)

	a.run(0, `echo more >>"sp ace/f"; rm sub/big2; mv sub/deep/1 sub/one; dd if=/dev/urandom of=big bs=4k count=1 seek=100 conv=notrunc,fsync status=none`)
	a.run(1, `mkdir d; echo x >d/x; sync -f .`)
	same(t, a, b)
}
