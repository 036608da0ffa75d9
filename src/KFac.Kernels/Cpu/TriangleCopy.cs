using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Carries a float32 matrix to a <see cref="PanelTriangle{T, TTile}"/>, negated, and results back.</summary>
internal readonly unsafe struct TriangleCopy<T, TTile>(PanelTriangle<T, TTile> triangle)
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private readonly PanelTriangle<T, TTile> _triangle = triangle;

    /// <summary>Fills one panel with <c>−(A + λI)</c>; padding is that of −I.</summary>
    public void Load(int panel, float* matrix, long stride, float damping)
    {
        int start = panel * TTile.Columns;
        T* target = _triangle.Panel(panel, start);
        for (int i = start; i < _triangle.Rows; i++)
        {
            int columns = i < _triangle.Size ? Math.Min(TTile.Columns, i + 1 - start) : 0;
            Negate(matrix + (i * stride) + start, target, columns);
            if (columns < TTile.Columns)
            {
                new Span<T>(target + columns, TTile.Columns - columns).Clear();
            }

            if (i - start < TTile.Columns)
            {
                target[i - start] -= i < _triangle.Size ? T.CreateTruncating(damping) : T.One;
            }

            target += TTile.Columns;
        }
    }

    /// <summary>Writes one panel to its columns of a symmetric matrix, and to its rows.</summary>
    public void StoreSymmetric(int panel, float* matrix, long stride)
    {
        int start = panel * TTile.Columns;
        int end = Math.Min(start + TTile.Columns, _triangle.Size);
        for (int i = start; i < end; i++)
        {
            T* row = _triangle.Panel(panel, i);
            for (int j = start; j <= i; j++)
            {
                float value = float.CreateTruncating(row[j - start]);
                matrix[(i * stride) + j] = value;
                matrix[(j * stride) + i] = value;
            }
        }

        for (int i = end; i < _triangle.Size; i += TTile.Columns)
        {
            int rows = Math.Min(TTile.Columns, _triangle.Size - i);
            T* square = _triangle.Panel(panel, i);
            Copy(square, rows, matrix + (i * stride) + start, stride);
            Transpose(square, rows, matrix + (start * stride) + i, stride);
        }
    }

    /// <summary>Writes the triangle, with zeros above the diagonal.</summary>
    public void StoreLower(float* matrix, long stride)
    {
        for (int i = 0; i < _triangle.Size; i++)
        {
            float* row = matrix + (i * stride);
            for (int panel = 0; panel * TTile.Columns <= i; panel++)
            {
                int start = panel * TTile.Columns;
                T* source = _triangle.Panel(panel, i);
                for (int j = start; j < Math.Min(start + TTile.Columns, i + 1); j++)
                {
                    row[j] = float.CreateTruncating(source[j - start]);
                }
            }

            new Span<float>(row + i + 1, _triangle.Size - i - 1).Clear();
        }
    }

    private static void Negate(float* source, T* target, int columns)
    {
        int j = 0;
        if (typeof(T) == typeof(float))
        {
            for (; j + Vector<float>.Count <= columns; j += Vector<float>.Count)
            {
                (-Vector.Load(source + j)).Store((float*)target + j);
            }
        }

        for (; j < columns; j++)
        {
            target[j] = -T.CreateTruncating(source[j]);
        }
    }

    private static void Copy(T* square, int rows, float* target, long stride)
    {
        for (int i = 0; i < rows; i++)
        {
            T* source = square + (i * TTile.Columns);
            if (typeof(T) == typeof(float))
            {
                new ReadOnlySpan<float>(source, TTile.Columns).CopyTo(new Span<float>(target + (i * stride), TTile.Columns));
                continue;
            }

            for (int j = 0; j < TTile.Columns; j++)
            {
                target[(i * stride) + j] = float.CreateTruncating(source[j]);
            }
        }
    }

    private static void Transpose(T* square, int rows, float* target, long stride)
    {
        if (typeof(T) == typeof(float))
        {
            TTile.Transpose(square, TTile.Columns, rows, TTile.Columns, (T*)target, stride);
            return;
        }

        for (int j = 0; j < TTile.Columns; j++)
        {
            for (int i = 0; i < rows; i++)
            {
                target[(j * stride) + i] = float.CreateTruncating(square[(i * TTile.Columns) + j]);
            }
        }
    }
}
