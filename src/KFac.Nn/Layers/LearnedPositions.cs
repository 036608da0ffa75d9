using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Adds a learned vector per position: <c>y_{n,t} = x_{n,t} + p_t</c>, for [M, T, P] and for ragged sequences.</summary>
/// <remarks>The parameter <c>name</c> is [length, P] without Kronecker structure; sequences may be shorter than it.</remarks>
public sealed class LearnedPositions : Module
{
    private readonly string _name;
    private readonly int _length;
    private readonly int _width;
    private readonly float _standardDeviation;
    private ParameterRegistry? _registry;
    private Parameter? _table;

    /// <summary>Describes the layer.</summary>
    /// <param name="length">The most positions.</param>
    /// <param name="width">P.</param>
    /// <param name="standardDeviation">Of the normal numbers that the vectors start as.</param>
    public LearnedPositions(string name, int length, int width, float standardDeviation = 0.02f)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (length < 1 || width < 1)
        {
            throw new ArgumentException($"Layer '{name}' is given {length} positions of width {width}; wanted at least 1 of each.");
        }

        (_name, _length, _width, _standardDeviation) = (name, length, width, standardDeviation);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Parameter table = _table ?? throw new InvalidOperationException($"Layer '{_name}' has no parameters yet; make a Network of it first.");
        int longest = Longest(input);
        if (input.Shape.Columns != _width || longest > _length)
        {
            throw new ArgumentException(
                $"Layer '{_name}' is given {input.Shape} with up to {longest} positions; wanted width {_width} and at most {_length}.", nameof(input));
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        Elementwise.Copy(tape.Stream, x, y);
        if (input.Segments is not SegmentOffsets segments)
        {
            Elementwise.AddRow(tape.Stream, table.Values.RowRange(0, longest).AsVector(), y.Reshape(input.Examples, longest * _width));
        }
        else
        {
            for (int n = 0; n < segments.Segments; n++)
            {
                (int start, int count) = (segments.Host[n], segments.Host[n + 1] - segments.Host[n]);
                Elementwise.Axpby(tape.Stream, 1f, table.Values.RowRange(0, count), 1f, y.RowRange(start, count));
            }
        }

        LearnedPositionsOperation operation = tape.Rent<LearnedPositionsOperation>();
        operation.Input = input;
        operation.Table = table;
        return tape.Record(operation, y, input.Shape, input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, _name))
        {
            _table = registry.AddMatrix(_name, _length, _width, ParameterInitialization.Normal(_standardDeviation));
        }
    }

    private static int Longest(Variable input)
    {
        if (input.Segments is not SegmentOffsets segments)
        {
            return input.Sharing;
        }

        int longest = 0;
        for (int n = 0; n < segments.Segments; n++)
        {
            longest = Math.Max(longest, segments.Host[n + 1] - segments.Host[n]);
        }

        return longest;
    }
}

/// <summary>∂x = ∂y; a position's gradient is the sum over the sequences that have it.</summary>
internal sealed class LearnedPositionsOperation : TapeOperation
{
    private Parameter? _table;

    public Variable Input { get; set; }

    public Parameter Table
    {
        get => _table!;
        set => _table = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        if (pass.Options.WeightGradients)
        {
            AddTableGradient(pass, outputGradient);
        }

        if (Input.NeedsGradient)
        {
            pass.Contribute(Input, outputGradient);
        }
        else
        {
            pass.Release(outputGradient);
        }
    }

    private void AddTableGradient(BackwardPass pass, MatrixView<float> outputGradient)
    {
        float beta = Table.StartContribution(pass);
        if (beta == 0)
        {
            Elementwise.Fill(pass.Stream, 0f, Table.Gradients);
        }

        if (Input.Segments is not SegmentOffsets segments)
        {
            int length = Input.Sharing;
            Reduction.ColumnSum(
                pass.Stream,
                outputGradient.Reshape(Input.Examples, length * outputGradient.Columns),
                1f,
                1f,
                Table.Gradients.RowRange(0, length).AsVector());
            return;
        }

        for (int n = 0; n < segments.Segments; n++)
        {
            (int start, int count) = (segments.Host[n], segments.Host[n + 1] - segments.Host[n]);
            Elementwise.Axpby(pass.Stream, 1f, outputGradient.RowRange(start, count), 1f, Table.Gradients.RowRange(0, count));
        }
    }
}
