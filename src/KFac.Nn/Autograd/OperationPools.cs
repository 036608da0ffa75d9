namespace KFac.Nn;

/// <summary>Operation objects by type, used again in every forward pass.</summary>
internal sealed class OperationPools
{
    private readonly Dictionary<Type, Pool> _pools = [];

    /// <summary>An object that is not on the tape, made where all of its type are.</summary>
    public T Rent<T>()
        where T : TapeOperation, new()
    {
        if (!_pools.TryGetValue(typeof(T), out Pool? pool))
        {
            pool = new Pool();
            _pools.Add(typeof(T), pool);
        }

        return (T)(pool.TryRent() ?? pool.Add(new T()));
    }

    /// <summary>Takes all objects off the tape.</summary>
    public void ReturnAll()
    {
        foreach (Pool pool in _pools.Values)
        {
            pool.ReturnAll();
        }
    }

    /// <summary>Operations of one type: those up to <c>_used</c> are on the tape.</summary>
    private sealed class Pool
    {
        private readonly List<TapeOperation> _operations = [];
        private int _used;

        public TapeOperation? TryRent() => _used < _operations.Count ? _operations[_used++] : null;

        public TapeOperation Add(TapeOperation operation)
        {
            _operations.Add(operation);
            _used++;
            return operation;
        }

        public void ReturnAll() => _used = 0;
    }
}
