using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Products with Cholesky factors that are collected and given to the device in one call, so that no factor waits for another.</summary>
internal sealed class SolveBatch(DeviceStream stream)
{
    private CholeskySolveProduct[] _products = new CholeskySolveProduct[8];
    private int _count;

    /// <summary>Adds a product; its result is undefined until <see cref="Run"/>.</summary>
    public void Add(in CholeskySolveProduct product)
    {
        if (_count == _products.Length)
        {
            Array.Resize(ref _products, 2 * _count);
        }

        _products[_count++] = product;
    }

    /// <summary>Computes all that were added, and forgets them.</summary>
    public void Run()
    {
        int count = _count;
        _count = 0;
        if (count > 0)
        {
            CholeskySolve.Apply(stream, _products.AsSpan(0, count));
        }
    }
}
