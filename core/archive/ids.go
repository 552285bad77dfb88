package archive

// Ids of the reasons for which an archive is refused; see docs/problems.md.
const (
	idNotZip    = "archive/not-a-zip"
	idBadName   = "archive/bad-name"
	idLink      = "archive/not-a-file"
	idDuplicate = "archive/duplicate-name"
	idTooMany   = "archive/too-many-files"
	idTooBig    = "archive/too-big"
	idBomb      = "archive/bomb"
	idEncrypted = "archive/encrypted"
	idMethod    = "archive/unknown-compression"
	idCorrupt   = "archive/corrupt"
)
