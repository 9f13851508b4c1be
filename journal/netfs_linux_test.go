package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vast-mcp/journal"
)

func TestNetworkFileSystemsAreNamed(t *testing.T) {
	for name, magics := range map[string][]uint32{
		"NFS":    {0x6969},
		"SMB":    {0x517b, 0xff534d42, 0xfe534d42},
		"9p":     {0x01021997},
		"AFS":    {0x5346414f},
		"Ceph":   {0x00c36400},
		"Lustre": {0x0bd00bd0},
		"GPFS":   {0x47504653},
		"":       {0, 0xef53, 0x9123683e, 0x58465342, 0x01021994, 0x794c7630}, // none, ext, btrfs, xfs, tmpfs, overlay
	} {
		for _, magic := range magics {
			require.Equal(t, name, journal.NetworkMagic(magic), "%#x", magic)
		}
	}
}
