package fs

import (
	"os/exec"
	"slices"
	"testing"
)

// Programs that people trust their data to, with their own checks.
func TestPrograms(t *testing.T) {
	for program, script := range map[string]string{
		"sqlite3": `for mode in delete wal; do
			sqlite3 $mode.db "pragma journal_mode=$mode; create table t(a integer primary key, b blob);
			with recursive n(i) as (select 1 union all select i+1 from n where i<2000) insert into t select i, randomblob(200) from n;" >/dev/null
			for i in 1 2 3 4; do (for j in $(seq 8); do sqlite3 -cmd '.timeout 20000' $mode.db "insert into t(b) values(randomblob(3000)); delete from t where a=$i*100+$j;"; done) & done; wait
			test "$(sqlite3 $mode.db 'pragma integrity_check; select count(*) from t;' | tr '\n' ' ')" = "ok 2000 "; done`,
		"git": `git init -q r; cd r; git config user.email a@b; git config user.name c; for i in $(seq 20); do seq $i 1000 >f$i; git add .; git commit -qm $i; done
			git clone -q . ../copy; git gc -q; git fsck --full --strict; cd ../copy; git fsck --full; test $(git log --oneline | wc -l) = 20`,
		"fio": `fio --name=v --size=8m --rw=randrw --bsrange=512-64k --ioengine=psync --fsync=7 --verify=crc32c --verify_fatal=1 --numjobs=2 --output=/dev/null
			fio --name=m --size=4m --rw=randwrite --bs=4k --ioengine=mmap --verify=md5 --verify_fatal=1 --output=/dev/null
			fio --name=d --size=4m --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 --verify=sha256 --verify_fatal=1 --output=/dev/null`,
		"dbench":    `dbench -t 3 -D . 3 >/dev/null`,
		"stress-ng": `for s in access chmod dentry dir dirdeep fallocate file-ioctl filename fpunch fstat hdd link mknod open rename seek symlink touch utime xattr; do timeout 120 stress-ng --$s 2 --timeout 1 --temp-path . --hdd-bytes 8M --fallocate-bytes 8M -q || { echo $s; exit 1; }; done`,
		"tar":       `tar cf t.tar -C "$(go env GOROOT 2>/dev/null || echo /usr/share)" --exclude=testdata src/net doc 2>/dev/null || tar cf t.tar -C /usr/share doc/bash; mkdir x; tar xpf t.tar -C x; tar df t.tar -C x; cp -a x y; rm -r x; mv y z`,
	} {
		for _, writeBack := range []bool{false, true} {
			if writeBack && !slices.Contains([]string{"fio", "git", "sqlite3"}, program) {
				continue // tries nothing that the kernel does differently then
			}
			name := program
			if writeBack {
				name += " with write-back"
			}
			t.Run(name, func(t *testing.T) {
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not installed", program)
				}
				if testing.Short() && program == "stress-ng" {
					t.Skip("takes half a minute")
				}
				p := newPairOf(t, Options{WriteBack: writeBack})
				p.run(script)
				p.same()
			})
		}
	}
}
