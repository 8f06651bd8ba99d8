"""Part: Services → nftables. One `inet` table of shared maps; a change is only elements, of both families at once."""
