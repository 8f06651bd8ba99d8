"""Part: Services into nftables, both families in one table."""
