"""Pure: what runs pods (pkg/apis/{apps,batch,policy,scheduling}, 1.37)."""
